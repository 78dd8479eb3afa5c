"""json: paths, reading and writing documents, iteration, links, what stays from one message to the next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigErrors
from modules.json.path import APPEND, KEYS, Variable, parse_path
from tests.helpers import Harness, make_request
from tests.modules.small_parts import printed, script, show


def no_variable(text: str) -> object:
    raise ValueError(text)


def test_paths() -> None:
    path = parse_path("doc/a b[0][-1][]/c.keys", no_variable)  # type: ignore[arg-type]
    assert (path.name, path.steps, path.what) == ("doc", ["a b", 0, -1, APPEND, "c"], KEYS)
    path = parse_path("d/$var(k)[$(avp(i)[0])]", lambda text: lambda ctx: text)
    first, second = path.steps
    assert isinstance(first, Variable) and isinstance(second, Variable)
    assert (first.text, first.is_index, second.text, second.is_index) == ("$var(k)", False, "$(avp(i)[0])", True)


@pytest.mark.parametrize("text", ["", "/a", "d[", "d[x]", "d.what", "d.keys/a", "d[0]x", "d/$(avp(x)"])
def test_bad_paths(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        parse_path(text, no_variable)  # type: ignore[arg-type]


@given(st.text())
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        parse_path(text, lambda variable: lambda ctx: variable)
    except ValueError:
        pass


def test_numbers() -> None:
    body = '$json(j) := "[1, 4294967297, -5, 1.50, true]"; ' + show("$json(j[1]) $json(j[2]) $json(j[3]) $json(j[4])")
    sums = '$var(x) = $json(j[1]) + 1; ' + show("$var(x)") + ' $var(y) = "" + $json(j[1]); ' + show("$var(y)")
    assert printed("json", body + sums) == ["4294967297 -5 1.50 true", "2", "4294967297"]
    assert printed("json", body + show("$json(j[1])"), {"json.enable_long_quoting": 1})[1] == "4294967297"


def test_what_cannot_be_set() -> None:
    body = " ".join([
        '$json(none/a) = 1;', show("$rc"), '$json(j) := "{\\"a\\": [1]}"; $json(j/a[5]) = 1;', show("$rc"),
        '$json(j/a/b) = 1;', show("$rc"),
        '$json(j/x/y) = 1;', show("$rc"), '$json(j/a[]) = NULL;', show("$rc"), '$json(j/a[$var(none)]) = 1;', show("$rc"),
        '$json(j/a) := "{";', show("$rc $json(j)"), '$json(j/n) := "null"; $json(j/t) := "true";',
        show("$rc $json(j) $json(j/n)"),
        '$json(j/gone) = NULL;', show("$rc"), show("$json(j/a[$var(none)])"),
    ])
    assert printed("json", body) == [
        "-1", "-1", "-1", "-1", "-1", "-1", "-1 { }", '1 { "n": null, "t": true } <null>', "1", "<null>",
    ]


def test_iteration_and_styles() -> None:
    body = " ".join([
        '$json(o) := "{\\"a\\": 1, \\"b\\": [2]}"; for ($var(v) in $(json(o)[*]))', show("$var(v)"),
        'for ($var(v) in $(json(o.values)[*]))',
        show("$var(v)"), 'for ($var(k) in $(json(o.keys)[*]))', show("$var(k)"), 'for ($var(k) in $(json(o/b.keys)[*]))',
        show("never"),
        'for ($json(x) in $(json(o/b)[*]))', show("$json(x)"), show("$json_compact(o) $json_pretty(o/b)"), show("$(json(o)[*])"),
        '$json_compact(o/c) = 5; $json_pretty(o/d) := "[]";', show("$json(o/c) $json(o/d)"),
    ])
    assert printed("json", body) == ["1", "[ 2 ]", "1", "[ 2 ]", "a", "b", "2", '{"a":1,"b":[2]} [\n  2\n]', "<null>", "5 [ ]"]


def test_links_and_merges() -> None:
    body = " ".join([
        '$json(b) := "[{}, {}]"; json_link($json(stub), $json(b[0])); $json(stub/x) = "y";', show("$json(b)"),
        '$json(stub) = NULL;', show("$json(b) $json(stub)"), 'json_link($json(b[1]), $json(nothing));', show("$rc"),
        'json_link($json(b[0]), $json(b));', show("$json(b)"), 'json_merge("{", "{}", $var(m));', show("$rc"),
        'json_merge("{\\"a\\": {\\"x\\": \\"s/t\\"}}", "{\\"a\\": {\\"y\\": 2.50}}", $var(m));', show("$rc $var(m)"),
    ])
    assert printed("json", body) == [
        '[ { "x": "y" }, { } ]', '[ { "x": "y" }, { } ] <null>', "-1", "<null>", "-1", '1 {"a":{"x":"s/t","y":2.5}}',
    ]


def test_documents_stay() -> None:
    body = 'if ($cs == "1") { $json(j) := "{\\"n\\": 1}"; } else { $json(j/n) = $json(j/n) + 1; } ' + show("$json(j/n) $var(j)")
    assert printed("json", body, requests=3) == ["1 <null>", "2 <null>", "3 <null>"]


def test_runs_that_wait_do_not_mix() -> None:
    waits = '$json(j) := "[]"; $json(j[]) = $cs; if ($json(j[0]) == "1") exec("sleep 0.02; echo x", , $var(out)); '
    waits += show("$json(j)")
    with Harness(script("json exec", waits)) as server:
        inner = server.server
        socket = inner.sockets.all[0]

        async def both() -> None:
            for number in (1, 2):
                data = make_request(call_id=f"c{number}", cseq=number).encode()
                inner.workers.run(lambda data=data: inner.receiver.receive(data, "127.0.0.1", 5070, socket, None))

        server._do(both())
        assert [line.strip() for line in server.xlog()] == ['[ "2" ]', '[ "1" ]']


@pytest.mark.parametrize("text", [
    'xlog("$json(j.what)");', "$json(j[x]) = 1;", "json_link($var(x), $json(j));", 'xlog("$json(j/$nosuch)");',
])
def test_mistakes_are_found_at_load(text: str) -> None:
    with pytest.raises(ConfigErrors):
        Harness(script("json", text))
