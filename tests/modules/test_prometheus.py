"""The page for Prometheus: what is on it, names, groups, labels, and what a route adds."""

from __future__ import annotations

import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.errors import ConfigErrors
from modules.httpd.api import HttpReply, HttpRequest
from tests.helpers import Harness, make_request
from tests.modules.small_parts import script


def start(params: dict[str, Any], more: str = "", body: str = 'sl_send_reply(200, "OK");') -> Harness:
    named = {f"prometheus.{key}": value for key, value in params.items()}
    named["statistics.variable"] = ["my-1.x", "keep/no_reset"]
    # No port is opened: the page is asked for at the handler.
    return Harness(script("sl statistics httpd prometheus", body, {**named, "httpd.port": 33399, "httpd.ip": "127.0.0.1"}, more))


def scrape(server: Harness, method: str = "GET", path: str = "") -> HttpReply:
    module = server.server.registry.modules["prometheus"]
    reply: HttpReply = server._do(module.serve(HttpRequest(method, path, {}, {}, b"", "127.0.0.1")))
    return reply


def lines(server: Harness) -> list[str]:
    text = scrape(server).body.decode()
    assert text.endswith("\n\n") or text == "\n"
    return text.splitlines()[:-1]


def test_selection_and_order() -> None:
    with start({"statistics": ["my-1.x nosuch sl:", " sent_replies  core:rcv_requests", "script: my-1.x"]}) as server:
        server.send(make_request())
        found = lines(server)
        names = [line.split()[2] for line in found if line.startswith("#")]
        assert names == [
            "opensips_keep", "opensips_my_1_x",
            *[f"opensips_{code}xx_replies" for code in range(1, 7)],
            "opensips_sent_replies", "opensips_sent_err_replies", "opensips_received_ACKs",
            "opensips_my_1_x", "opensips_sent_replies", "opensips_my_1_x",
        ]
        assert found[:4] == ["# TYPE opensips_keep gauge", "opensips_keep 0", "# TYPE opensips_my_1_x counter", "opensips_my_1_x 0"]
        assert "opensips_sent_replies 1" in found and "opensips_2xx_replies 1" in found


def test_answers() -> None:
    with start({}) as server:
        assert scrape(server) == HttpReply(200, "text/plain; version=0.0.4", b"\n")
        assert scrape(server, path="/more").status == 200
        assert scrape(server, "POST").status == 405
        assert {"http_root": "metrics", "module": "prometheus"} in server.mi("httpd_list_root_path")


@pytest.mark.parametrize("params, name", [
    ({"prefix": "p", "delimiter": ":", "group_prefix": "g_", "group_mode": 1}, "p:g_sl:1xx_replies"),
    ({"group_prefix": "g", "group_label": "grp", "group_mode": 2}, 'opensips_1xx_replies{grp="gsl"}'),
    ({"prefix": ""}, "_1xx_replies"), ({"prefix": "", "delimiter": ""}, "_1xx_replies"),
    ({"prefix": "", "delimiter": "", "group_mode": 2}, '1xx_replies{group="sl"}'),
])
def test_names(params: dict[str, Any], name: str) -> None:
    with start({"statistics": "sl:", **params}) as server:
        assert lines(server)[:2] == [f"# TYPE {name.partition('{')[0]} counter", f"{name} 0"]


LABELS = [r'core: /^(rcv|fwd)_(.*)$/\1:kind=\"\2\"/', r"sl: /^(.)xx_(.*)$/\2:/", r'sl:/^sent_(.*)$/\1:a=\"b\"/', r"sl: /x*/y:z/"]


def test_labels() -> None:
    with start({"statistics": "sl: core:", "labels": LABELS, "group_mode": 2}) as server:
        found = lines(server)
    assert found[-10:] == [
        "# TYPE opensips_err_replies counter", 'opensips_err_replies{a="b",group="sl"} 0',
        "# TYPE opensips_replies counter", 'opensips_replies{a="b",group="sl"} 0',
        "# TYPE opensips_fwd counter", 'opensips_fwd{kind="replies",group="core"} 0', 'opensips_fwd{kind="requests",group="core"} 0',
        "# TYPE opensips_rcv counter", 'opensips_rcv{kind="replies",group="core"} 0', 'opensips_rcv{kind="requests",group="core"} 0',
    ]
    assert 'opensips_1xx_replies{group="sl"} 0' in found
    assert 'opensips_drop_requests{group="core"} 0' in found


def test_everything_follows_the_text_format() -> None:
    with start({"statistics": ["sl:", "all"], "group_mode": 1}) as server:
        found = lines(server)
    kinds = {}
    for line in found:
        if line.startswith("#"):
            name, kind = re.fullmatch(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)", line).groups()  # type: ignore[union-attr]
            assert name not in kinds
            kinds[name] = kind
        else:
            name, labels, value = re.fullmatch(r"([^{ ]+)(\{[^}]*\})? (-?[0-9]+)", line).groups()  # type: ignore[union-attr]
            assert name in kinds
    assert kinds["opensips_core_rcv_requests"] == "counter" and kinds["opensips_core_timestamp"] == "gauge"
    assert kinds["opensips_script_keep"] == "gauge"
    load, = [line for line in found if line.startswith("opensips_load_proc_load{")]
    assert re.fullmatch(r'opensips_load_proc_load\{id="1",pid="\d+",desc="SIP receiver udp:127.0.0.1:5060"\} \d+', load)
    assert any(line.startswith('opensips_pkmem_proc_used_size{id="1"') for line in found)


ROUTE = """
route[page] {
    prometheus_push_stat(1);
    xlog("XL|early $rc\\n");
    prometheus_declare_stat("cps");
    prometheus_push_stat(3);
    prometheus_push_stat(4, "{x=\\"1\\"}");
    $var(v) = "a\\"b";
    prometheus_push_stat(-5, "lab", $var(v));
    prometheus_declare_stat("calls", "counter", "all of them");
    prometheus_push_stat(6);
    xlog("XL|$rm $rc\\n");
    return (1, '[{"header": "# TYPE h gauge", "values": [{"name": "h", "value": 3}, {"name": "h2", "value": 3.7},
        {"nam": 1}, {"name": "x", "value": 1e999}]},
        {"header": "", "values": []}, {"header": "# never", "values": []}]');
}
"""


def test_a_route_adds_to_the_page() -> None:
    body = 'prometheus_declare_stat("x"); xlog("XL|$rc\\n"); prometheus_push_stat(1); xlog("XL|$rc\\n");'
    with start({"script_route": "page"}, ROUTE, body) as server:
        assert lines(server) == [
            "# TYPE cps gauge", "cps 3", 'cps{x="1"} 4', 'cps{lab="a\\"b"} -5', "# HELP calls all of them", "# TYPE calls counter",
            "calls 6", "# TYPE h gauge", "h 3", "h2 3",
        ]
        assert server.xlog() == ["early -2", "DUMMY 1"]
        server.send(make_request())
        assert server.xlog()[2:] == ["-2", "-2"]
        assert len([line for line in server.log if "without name or number" in line]) == 2


@pytest.mark.parametrize("returned, shown", [
    ("return(1);", ["a 1"]), ("return(-1, '[]');", ["a 1"]), ("return(1, 5);", ["a 1"]), ("return(1, 'no');", ["a 1"]),
    ("return(1, '{}');", ["a 1"]), ("", ["a 1"]), ("return(2, '[{\"header\":\"b\",\"values\":[]}]');", ["a 1", "b"]),
])
def test_what_the_route_returns(returned: str, shown: list[str]) -> None:
    more = f'route[page] {{ prometheus_declare_stat("a"); prometheus_push_stat(1); {returned} }}'
    with start({"script_route": "page"}, more) as server:
        assert lines(server)[1:] == shown


@pytest.mark.parametrize("params, complaint", [
    ({"script_route": "nosuch"}, r"there is no route\[nosuch\]"), ({"group_mode": 3}, "too large"),
    ({"labels": "no rule"}, "not of the form"), ({"labels": "core: /ab"}, "separator"), ({"labels": "core: /a/$rm:b/"}, "no message"),
])
def test_bad_parameters(params: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigErrors) as found:
        start(params).close()
    assert re.search(complaint, str(found.value))


def test_prometheus_own_reader_takes_the_page() -> None:
    with start({"statistics": ["all"], "group_mode": 2}) as server:
        server.send(make_request())
        families = {family.name: family for family in text_string_to_metric_families(scrape(server).body.decode())}
    sent = [sample for sample in families["opensips_sent_replies"].samples if sample.labels.get("group") == "sl"]
    assert [sample.value for sample in sent] == [1.0]
