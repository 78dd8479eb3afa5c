"""mi_script: parameters in the text and in AVPs, results, errors, the asynchronous form."""

from __future__ import annotations

import json

import pytest

from engine.errors import ConfigErrors
from tests.helpers import Harness, make_request
from tests.modules.small_parts import printed, script, show


def test_results_and_errors() -> None:
    body = " ".join([
        'mi("cache_store local k  v", $var(r));', show("$rc $var(r)"), 'mi("cache_fetch local k", $var(r));', show("$rc $var(r)"),
        'mi("cache_fetch local none", $var(r));', show("$rc $var(r)"), 'mi("cache_fetch local", $var(r));', show("$rc $var(r)"),
        '$var(r) = "old"; mi("nosuch", $var(r));', show("$rc $var(r)"), 'mi("cache_remove local k");', show("$rc"),
        '$avp(p) = "k2"; $avp(p) = "local"; mi("cache_remove", , $avp(p));', show("$rc"),
        '$avp(n) = "system"; $avp(v) = "local"; $avp(n) = "attr"; $avp(v) = "q"; $avp(n) = "value"; $avp(v) = "text";',
        'mi("cache_store", $var(r), $avp(n), $avp(v));', show("$rc $var(r)"), 'cache_fetch("local", "q", $var(r));',
        show("$var(r)"),
        '$avp(n) = "expire"; mi("cache_store", $var(r), $avp(n), $avp(v));', show("$rc $var(r)"),
    ])
    assert printed("mi_script cachedb_local", body) == [
        '1 "OK"', '1 {"key":"k","value":"v"}', "-400 Value not found", "-32602 Invalid params", "-1 old", "1", "1", '1 "OK"',
        "text",
        "-2 could not parse script params!",
    ]


def test_lists_and_pretty_printing() -> None:
    body = ('$avp(n) = "statistics"; $avp(v) = "__array(rcv_requests err_requests)"; '
            'mi("get_statistics", $var(r), $avp(n), $avp(v)); ' + show("$rc $var(r)"))
    lines = printed("mi_script", body, {"mi_script.pretty_printing": 1})
    assert lines == ['1 {\n\t"core:rcv_requests":\t1,\n\t"core:err_requests":\t0\n}']


def test_async_form() -> None:
    resume = "route[resume] { " + show("$rc $var(r)") + " }"
    with Harness(script("sl tm mi_script", 'async(mi("version", $var(r)), resume);', more=resume)) as server:
        server.send(make_request())
        code, answer = server.xlog()[0].strip().split(" ", 1)
        assert code == "1" and "Server" in json.loads(answer)


def test_only_avps_hold_lists() -> None:
    with pytest.raises(ConfigErrors, match="no AVP"):
        Harness(script("mi_script", 'mi("which", , $var(x));'))
