"""path: the header by the socket the request leaves by, and the way back."""

from __future__ import annotations

import pytest

from engine.errors import ConfigErrors
from tests.helpers import Harness, make_request

SOCKETS = 'socket=udp:127.0.0.1:5060\nsocket=udp:127.0.0.1:5062 as edge.example.com\nsocket=tcp:127.0.0.1:5060\n'
MODULES = "".join(f'loadmodule "{name}.so"\n' for name in ("proto_udp", "proto_tcp", "tm", "rr", "path"))


def paths(text: str) -> list[str]:
    return [line[6:] for line in text.split("\r\n") if line.startswith("Path: ")]


def start(body: str, params: str = "") -> Harness:
    return Harness(f'{SOCKETS}{MODULES}{params}\nroute {{ {body} }}')


def test_one_socket() -> None:
    with start('add_path_received("u"); add_path(); $du = "sip:127.0.0.1:5090"; t_relay();') as server:
        sent, = server.send(make_request("REGISTER", headers="Path: <sip:old;lr>\r\n"))
        assert paths(sent.text) == [
            "<sip:u@127.0.0.1:5060;lr;received=sip:127.0.0.1:5070>", "<sip:127.0.0.1:5060;lr>", "<sip:old;lr>"]


@pytest.mark.parametrize("relay", ["t_relay();", "forward();"])
def test_two_sockets(relay: str) -> None:
    with start(f'add_path_received(); force_send_socket("udp:127.0.0.1:5062"); $du = "sip:127.0.0.1:5090"; {relay}') as server:
        sent, = server.send(make_request("REGISTER"))
        assert paths(sent.text) == [
            "<sip:edge.example.com:5062;r2=on;lr>", "<sip:127.0.0.1:5060;r2=on;lr;received=sip:127.0.0.1:5070>"]


def test_two_sockets_one_header() -> None:
    params = 'modparam("path", "enable_double_path", 0)'
    with start('add_path("x"); force_send_socket("udp:127.0.0.1:5062"); $du = "sip:127.0.0.1:5090"; t_relay();',
        params) as server:
        sent, = server.send(make_request("REGISTER"))
        assert paths(sent.text) == ["<sip:x@edge.example.com:5062;lr>"]


def test_a_stream_names_its_protocol() -> None:
    with start('add_path_received(); $du = "sip:127.0.0.1:5090"; force_send_socket("udp:127.0.0.1:5060"); t_relay();') as server:
        sent, = server.send(make_request("REGISTER", via="SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bK1"), proto="tcp")
        assert paths(sent.text)[1] == (
            "<sip:127.0.0.1:5060;transport=tcp;r2=on;lr;received=sip:127.0.0.1:5070%3btransport%3dtcp>")


@pytest.mark.parametrize(("received", "target"), [
    ("sip:127.0.0.1:5099", "sip:127.0.0.1:5099"), ("sip:127.0.0.1:5099%3btransport%3dtcp", "sip:127.0.0.1:5099;transport=tcp"),
])
def test_the_way_back(received: str, target: str) -> None:
    params = 'modparam("path", "use_received", 1)'
    with start('loose_route(); xlog("XL|$du\\n");', params) as server:
        server.send(make_request("INVITE", headers=f"Route: <sip:127.0.0.1:5060;lr;received={received}>\r\n"))
        assert server.xlog() == [target]


def test_the_way_back_needs_rr() -> None:
    with pytest.raises(ConfigErrors, match="needs the module rr"):
        Harness('loadmodule "path.so"\nmodparam("path", "use_received", 1)\nroute { exit; }')
