"""rr: Record-Route and the Route set."""

from __future__ import annotations

import pytest

from engine.errors import ConfigErrors
from tests.helpers import Harness, make_request

HEAD = """socket=udp:127.0.0.1:5060
socket=udp:127.0.0.1:5061
socket=tcp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "proto_tcp.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "sipmsgops.so"
alias=udp:proxy.example.com:5060
"""
ME = "sip:127.0.0.1:5060"


def play(main: str, text: str, params: str = "", more: str = "") -> tuple[list[str], list[str]]:
    """(Record-Route and Route values of what is forwarded, log) for one request."""
    with Harness(f"{HEAD}{params}route {{ {main} }}\n{more}", preamble=False) as server:
        sent = server.send(text)
        found = [
            line.partition(": ")[2] for one in sent for line in one.text.split("\r\n")
            if line.startswith(("Record-Route:", "Route:"))
        ]
        return found, server.xlog()


def in_dialog(*routes: str, uri: str = "sip:bob@127.0.0.1:5090", to_tag: str = "b1") -> str:
    return make_request("INFO", uri, to_tag=to_tag, headers="".join(f"Route: {route}\r\n" for route in routes))


LOOSE = 'loose_route(); $var(rc) = $retcode; xlog("XL|$var(rc) $ru $du $rr_params $socket_out(forced)\\n"); ' \
    'if ($du == NULL) $du = "sip:127.0.0.1:5090"; forward();'


def test_record_route_with_parameters_in_their_order() -> None:
    main = 'add_rr_param(";before=1"); add_rr_param(";before2"); record_route(";own=z"); add_rr_param(";after=x"); ' \
        'add_rr_param(";last"); record_route(); xlog("XL|$retcode\\n"); forward();'
    routes, log = play(main, make_request("INFO", "sip:bob@127.0.0.1:5090"))
    assert routes == ["<sip:127.0.0.1:5060;lr;ftag=a1;own=z;last;after=x;before=1;before2>"]
    assert log == ["-1"]


def test_two_headers_when_the_socket_changes() -> None:
    text = make_request("INFO", "sip:bob@127.0.0.1:5090;transport=tcp")
    both = ["<sip:127.0.0.1:5060;transport=tcp;r2=on;lr;ftag=a1>", "<sip:127.0.0.1:5060;r2=on;lr;ftag=a1>"]
    assert play("record_route(); forward();", text)[0] == both
    single = 'modparam("rr", "enable_double_rr", 0)\n'
    assert play("record_route(); forward();", text, single)[0] == ["<sip:127.0.0.1:5060;lr;ftag=a1>"]
    other = 'force_send_socket("udp:127.0.0.1:5061"); record_route(); forward();'
    assert play(other, make_request("INFO", "sip:bob@127.0.0.1:5090"))[0] == [
        "<sip:127.0.0.1:5061;r2=on;lr;ftag=a1>", "<sip:127.0.0.1:5060;r2=on;lr;ftag=a1>"]


def test_user_tag_and_presets() -> None:
    params = 'modparam("rr", "append_fromtag", 0) modparam("rr", "add_username", 1)\n'
    text = make_request("INFO", "sip:bob@127.0.0.1:5090")
    assert play("record_route(); forward();", text, params)[0] == ["<sip:bob@127.0.0.1:5060;lr>"]
    assert play('record_route_preset("192.0.2.1;r2=on", "192.0.2.2;r2=on"); forward();', text, params)[0] == [
        "<sip:bob@192.0.2.1;r2=on;lr>", "<sip:bob@192.0.2.2;r2=on;lr>"]
    assert play('record_route_preset("192.0.2.1:5066"); forward();', text)[0] == ["<sip:192.0.2.1:5066;ftag=a1;lr>"]
    main = 'add_rr_param(";x"); add_rr_param(";y"); record_route_preset("192.0.2.1", "192.0.2.2"); add_rr_param(";z"); forward();'
    assert play(main, text)[0] == ["<sip:192.0.2.1;ftag=a1;lr;z;x;y>", "<sip:192.0.2.2;ftag=a1;lr;z>"]


def test_advertised_addresses() -> None:
    main = 'set_advertised_address("sip.example.net"); set_advertised_port("5099"); record_route(); forward();'
    assert play(main, make_request("INFO", "sip:bob@127.0.0.1:5090"))[0] == ["<sip:sip.example.net:5099;lr;ftag=a1>"]


@pytest.mark.parametrize(("routes", "left", "said"), [
    ([f"<{ME};lr;ftag=a1>"], [], "1 sip:bob@127.0.0.1:5090 <null> lr;ftag=a1 udp:127.0.0.1:5060"),
    ([f"<{ME};lr>", "<sip:127.0.0.1:5091;lr>"], ["<sip:127.0.0.1:5091;lr>"],
     "1 sip:bob@127.0.0.1:5090 sip:127.0.0.1:5091;lr lr udp:127.0.0.1:5060"),
    ([f"<{ME};lr>, <sip:127.0.0.1:5091;lr>, <sip:192.0.2.9;lr>"], ["<sip:127.0.0.1:5091;lr>, <sip:192.0.2.9;lr>"],
     "1 sip:bob@127.0.0.1:5090 sip:127.0.0.1:5091;lr lr udp:127.0.0.1:5060"),
    (["<sip:127.0.0.1:5091;lr>", f"<{ME};lr>"], ["<sip:127.0.0.1:5091;lr>", f"<{ME};lr>"],
     "1 sip:bob@127.0.0.1:5090 sip:127.0.0.1:5091;lr <null> <null>"),
    ([f"<{ME};r2=on;lr>", f"<{ME};transport=tcp;r2=on;lr>"], [], "1 sip:bob@127.0.0.1:5090 <null> r2=on;lr tcp:127.0.0.1:5060"),
    (["<sip:proxy.example.com;lr>"], [], "1 sip:bob@127.0.0.1:5090 <null> lr udp:127.0.0.1:5060"),
    ([f"<{ME};lr>", "<sip:x@host.example;maddr=127.0.0.1:5091;lr>"], None, None),
    ([], [], "-1 sip:bob@127.0.0.1:5090 <null> <null> <null>"),
])
def test_loose_routes(routes: list[str], left: list[str] | None, said: str | None) -> None:
    found, log = play(LOOSE, in_dialog(*routes))
    if left is not None:
        assert (found, log) == (left, [said])
    else:
        assert len(log) == 1


def test_a_strict_router_behind() -> None:
    found, log = play(LOOSE, in_dialog(f"<{ME};lr>", "<sip:strict@127.0.0.1:5091>", "<sip:192.0.2.7;lr>", uri="sip:t@192.0.2.55"))
    assert found == ["<sip:192.0.2.7;lr>", "<sip:t@192.0.2.55>"]
    assert log[0].startswith("1 sip:strict@127.0.0.1:5091 <null>")


@pytest.mark.parametrize(("routes", "left", "said"), [
    (["<sip:127.0.0.1:5091;lr>", "<sip:end@192.0.2.55;p=1>"], ["<sip:127.0.0.1:5091;lr>"],
     "1 sip:end@192.0.2.55;p=1 sip:127.0.0.1:5091;lr"),
    (["<sip:127.0.0.1:5091;lr>, <sip:192.0.2.7;lr>, <sip:end@192.0.2.55>"], ["<sip:127.0.0.1:5091;lr>, <sip:192.0.2.7;lr>"],
     "1 sip:end@192.0.2.55 sip:127.0.0.1:5091;lr"),
    (["<sip:strict@127.0.0.1:5091>, <sip:end@192.0.2.55>"], ["<sip:end@192.0.2.55>"], "1 sip:strict@127.0.0.1:5091 <null>"),
    (["<sip:end@127.0.0.1:5091>"], [], "1 sip:end@127.0.0.1:5091 <null>"),
])
def test_a_strict_router_in_front(routes: list[str], left: list[str], said: str) -> None:
    found, log = play(LOOSE, in_dialog(*routes, uri=f"{ME};lr"))
    assert found == left and log[0].startswith(said)


def test_a_gruu_of_ours_is_no_strict_router() -> None:
    found, log = play(LOOSE, in_dialog(f"<{ME};lr>", uri=f"{ME};gr=x"))
    assert log[0].startswith(f"1 {ME};gr=x <null>")


def test_preloaded_routes() -> None:
    assert play(LOOSE, in_dialog(f"<{ME};lr>", to_tag=""))[1] == ["-1 sip:bob@127.0.0.1:5090 <null> lr <null>"]
    assert play(LOOSE, in_dialog(f"<{ME};lr>", "<sip:127.0.0.1:5091;lr>", to_tag=""))[1] == [
        "1 sip:bob@127.0.0.1:5090 sip:127.0.0.1:5091;lr lr <null>"]


def test_parameters_and_direction() -> None:
    main = """loose_route();
    if (check_route_param("x=[0-9]")) xlog("XL|x\\n"); if (check_route_param(";x=1")) xlog("XL|;x\\n");
    if (check_route_param("y")) xlog("XL|y\\n");
    if (is_direction("downstream")) xlog("XL|down\\n"); if (is_direction("upstream")) xlog("XL|up\\n");"""
    assert play(main, in_dialog(f"<{ME};lr;ftag=a1;x=1>"))[1] == ["x", ";x", "down"]
    assert play(main, in_dialog(f"<{ME};lr;ftag=b1;x=1>"))[1] == ["x", ";x", "up"]
    assert play(main, in_dialog(f"<{ME};lr>"))[1] == ["down"]
    with pytest.raises(ConfigErrors):
        play('is_direction("sideways");', in_dialog())


def test_listeners_hear_of_own_routes() -> None:
    heard: list[str] = []
    with Harness(f"{HEAD}route {{ loose_route(); }}", preamble=False) as server:
        rr = server.server.registry.modules["rr"]
        rr.register(lambda ctx, params: heard.append(f"{params} {rr.param(ctx, 'did')} {sorted(rr.removed(ctx))}"))  # type: ignore[attr-defined]
        server.send(in_dialog(f"<{ME};lr;did=12>", "<sip:127.0.0.1:5091;lr>"))
    assert heard == ["lr;did=12 12 [0]"]


def test_max_forwards_stays_above_record_route() -> None:
    text = make_request("INFO", "sip:bob@127.0.0.1:5090").replace("Max-Forwards: 70\r\n", "")
    script = f'{HEAD}loadmodule "tm.so" route {{ mf_process_maxfwd_header(9); record_route(); t_relay(); }}'
    with Harness(script, preamble=False) as server:
        sent, = server.send(text)
        assert [line.partition(":")[0] for line in sent.text.split("\r\n")[1:4]] == ["Max-Forwards", "Record-Route", "Via"]


def test_a_route_needs_angle_brackets() -> None:
    assert play(LOOSE, in_dialog(f"{ME};lr"))[1] == ["-1 sip:bob@127.0.0.1:5090 <null> <null> <null>"]
