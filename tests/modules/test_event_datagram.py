"""Events over datagrams: documents, sockets, subscriptions, subscribers that are not there."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from engine.events.bus import ABSENT
from engine.script.values import NumberText
from modules.shared.eventwire import event_json, split_socket
from tests.helpers import Harness, make_request
from tests.modules.parts import PartServer


def receiver(family: int = socket.AF_INET, address: object = ("127.0.0.1", 0)) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind(address)
    made.settimeout(2)
    return made


def waiting(sink: socket.socket) -> list[bytes]:
    """What has arrived."""
    sink.setblocking(False)
    found = []
    while True:
        try:
            found.append(sink.recv(65536))
        except BlockingIOError:
            return found


def test_documents() -> None:
    assert event_json("E_X", {}) == b'{"jsonrpc":"2.0","method":"E_X"}'
    assert event_json("E_X", {}, extra=("event", "E_X")) == b'{"jsonrpc":"2.0","method":"E_X"}'
    params = {"a": "x\"\\\n\x01/", "b": 5, "c": None, "d": ABSENT, "e": NumberText(7, "7abc"), "f": "\xc3\xa9"}
    data = event_json("m", params, ident=9, extra=("event", "E_X"))
    assert data.startswith(b'{"id":9,"jsonrpc":"2.0","method":"m","params":{"event":"E_X","a":')
    assert json.loads(data)["params"] == {
        "event": "E_X", "a": "x\"\\\n\x01/", "b": 5, "c": None, "d": None, "e": 7, "f": "\u00e9"}


@pytest.mark.parametrize("text, found", [
    ("127.0.0.1:8081", ("127.0.0.1", 8081, "")), ("[::1]:8081/m", ("[::1]", 8081, "/m")), ("host:1/a/b", ("host", 1, "/a/b")),
    ("host", None), (":80", None), ("h:0", None), ("h:65536", None), ("h:8x", None), ("h:", None), ("[::1]", None), ("", None),
])
def test_sockets(text: str, found: tuple[str, int, str] | None) -> None:
    if found is None:
        with pytest.raises(ValueError, match="port"):
            split_socket(text)
    else:
        assert split_socket(text) == found


def test_udp_and_unix(tmp_path: Path) -> None:
    async def body() -> None:
        made = PartServer()
        made.load("event_datagram")
        event = made.events.define("E_X", ("one", "two"))
        path = str(tmp_path / "sink")
        with receiver() as udp, receiver(socket.AF_UNIX, path) as unix:
            name = f"udp:127.0.0.1:{udp.getsockname()[1]}"
            async with made:
                subscribers = made.subscribers
                subscribers.subscribe("E_X", name, 60)
                subscribers.subscribe("E_X", f"unix:{path}")
                subscribers.subscribe("E_X", path)
                assert [one.describe(made.now())["socket"] for one in subscribers.of("E_X")] == [name, f"unix:{path}"]
                event.emit(one="a", two=2)
                document = b'{"jsonrpc":"2.0","method":"E_X","params":{"one":"a","two":2}}'
                assert waiting(udp) == [document]
                assert waiting(unix) == [document]
                subscribers.subscribe("E_X", path, 0)
                made.events.raise_event("E_X", [(None, "v"), (None, 3)])
                assert waiting(udp) == [b'{"jsonrpc":"2.0","method":"E_X","params":["v",3]}']
                assert waiting(unix) == []
                made.pass_time(61)
                event.emit(one="late")
                assert waiting(udp) == []
                assert not event.active

    asyncio.run(body())


@pytest.mark.parametrize("name", ["udp:127.0.0.1", "udp:127.0.0.1:80/x", "udp:nowhere.invalid:80", "unix:", "unix:" + "x" * 108])
def test_bad_sockets_are_refused(name: str) -> None:
    script = f'loadmodule "event_datagram.so" startup_route {{ subscribe_event("E_X", "{name}"); xlog("XL|$rc\\n"); }} route {{ exit; }}'
    with Harness(script) as server:
        assert server.xlog() == ["-1"]
        assert not server.server.events.find("E_X").active


def test_a_subscriber_that_is_gone_costs_a_log_line(tmp_path: Path) -> None:
    async def body() -> None:
        made = PartServer()
        made.load("event_datagram")
        event = made.events.define("E_X", ("one",))
        async with made:
            made.subscribers.subscribe("E_X", f"unix:{tmp_path}/nobody")
            event.emit(one="a")
            made.subscribers.subscribe("E_X", "udp:127.0.0.1:9")
            event.emit(one="x" * 70000)
        assert len([line for line in made.lines if "E_X cannot be sent" in line]) == 3

    asyncio.run(body())


def test_a_script_subscribes_and_the_caller_gets_its_answer() -> None:
    with receiver() as sink:
        port = sink.getsockname()[1]
        script = f"""
loadmodule "sl.so"
loadmodule "event_datagram.so"
startup_route {{ subscribe_event("E_MINE", "udp:localhost:{port}"); }}
route {{ $avp(v) = $rm; $avp(n) = "method"; raise_event("E_MINE", $avp(n), $avp(v)); sl_send_reply(200, "OK"); }}
"""
        with Harness(script) as server:
            reply, = server.send(make_request("OPTIONS"))
            assert reply.first_line == "SIP/2.0 200 OK"
            assert json.loads(sink.recv(65536)) == {"jsonrpc": "2.0", "method": "E_MINE", "params": {"method": "OPTIONS"}}
            shown = server.mi("subscribers_list", {"event": "E_MINE"})["Event"]["Subscribers"]
            assert shown == [{"socket": f"udp:localhost:{port}", "expire": "never"}]
