"""Events over TCP: one connection that stays, requests and answers, subscribers that are slow, silent or gone."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from modules.event_stream import connection
from tests.helpers import Harness, make_request
from tests.modules.parts import PartServer


class Subscriber:
    """A TCP server that keeps what it is sent. answer(document) gives what it says to a request."""

    def __init__(self, answer: Callable[[dict[str, Any]], bytes] | None = None) -> None:
        self.answer = answer
        self.got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []
        self.server: Any = None

    async def __aenter__(self) -> Subscriber:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for writer in self.writers:
            writer.close()

    @property
    def port(self) -> int:
        return int(self.server.sockets[0].getsockname()[1])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        text = ""
        while data := await reader.read(65536):
            text += data.decode()
            while text:
                try:
                    document, end = json.JSONDecoder().raw_decode(text)
                except ValueError:
                    break
                text = text[end:]
                self.got.put_nowait(document)
                if self.answer is not None:
                    writer.write(self.answer(document))

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.got.get(), 2)


def play(body: Callable[[PartServer, Any], Awaitable[None]], **params: object) -> list[str]:
    """Run body(server, event) with the module loaded; the log."""
    made = PartServer()
    made.load("event_stream", **params)

    async def whole() -> None:
        event = made.events.define("E_X", ("one",))
        async with made:
            await body(made, event)

    asyncio.run(whole())
    return made.lines


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the loop is about to do."""
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it does not happen")


def test_one_connection_serves_all_subscriptions_of_an_address() -> None:
    async def body(made: PartServer, event: Any) -> None:
        async with Subscriber() as sink:
            made.subscribers.subscribe("E_X", f"tcp:127.0.0.1:{sink.port}")
            made.subscribers.subscribe("E_X", f"tcp:127.0.0.1:{sink.port}/call", 60)
            assert [str(one.target) for one in made.subscribers.of("E_X")] == [
                f"127.0.0.1:{sink.port}", f"127.0.0.1:{sink.port}/call"]
            event.emit(one=1)
            assert await sink.next() == {"jsonrpc": "2.0", "method": "E_X", "params": {"event": "E_X", "one": 1}}
            assert await sink.next() == {"jsonrpc": "2.0", "method": "call", "params": {"event": "E_X", "one": 1}}
            made.events.raise_event("E_X", [(None, "v")])
            assert (await sink.next())["params"] == ["E_X", "v"]
            made.events.raise_event("E_X")
            assert await sink.next() == {"jsonrpc": "2.0", "method": "call", "params": ["E_X", "v"]}
            assert await sink.next() == {"jsonrpc": "2.0", "method": "E_X"}
            assert len(sink.writers) == 1
            assert made.registry.modules["event_stream"].process_titles() == ["event_stream Sender"]

    play(body, event_param="event")


def test_a_broken_connection_is_made_again_for_the_next_event() -> None:
    async def body(made: PartServer, event: Any) -> None:
        async with Subscriber() as sink:
            made.subscribers.subscribe("E_X", f"tcp:127.0.0.1:{sink.port}")
            event.emit(one=1)
            await sink.next()
            sink.writers[0].close()
            stream, = made.registry.modules["event_stream"]._streams.values()
            await until(lambda: stream._transport is None)
            event.emit(one=2)
            assert (await sink.next())["params"] == {"one": 2}
            assert len(sink.writers) == 2

    assert not [line for line in play(body) if "lost" in line]


def test_nobody_listens() -> None:
    async def body(made: PartServer, event: Any) -> None:
        async with Subscriber() as sink:
            port = sink.port
        made.subscribers.subscribe("E_X", f"tcp:127.0.0.1:{port}")
        event.emit(one=1)
        event.emit(one=2)
        await until(lambda: any("cannot connect" in line for line in made.lines))

    assert len([line for line in play(body) if "cannot connect" in line and "2 event(s) lost" in line]) == 1


def test_answers_in_reliable_mode() -> None:
    def answer(document: dict[str, Any]) -> bytes:
        if document["params"]["one"] == 2:
            return json.dumps({"jsonrpc": "2.0", "error": {"code": 1}, "id": document["id"]}).encode()
        return json.dumps({"jsonrpc": "2.0", "result": 1, "id": document["id"]}).encode() + b"\n"

    async def body(made: PartServer, event: Any) -> None:
        async with Subscriber(answer) as sink:
            made.subscribers.subscribe("E_X", f"tcp:127.0.0.1:{sink.port}")
            for number in (1, 2, 3):
                event.emit(one=number)
            idents = [(await sink.next())["id"] for _ in range(3)]
            assert len(set(idents)) == 3 and all(0 < ident < 2**31 for ident in idents)
            stream, = made.registry.modules["event_stream"]._streams.values()
            await until(lambda: not stream._asked)
            sink.writers[0].write(b'{"id":1,"result')
            sink.writers[0].write(b'":1}')
            event.emit(one=4)
            await sink.next()
            await until(lambda: not stream._asked)

    lines = play(body, reliable_mode=1)
    assert len([line for line in lines if "refuses event E_X" in line]) == 1


@pytest.mark.parametrize("said", [b"no json", b'{"result":1}', b'{"id":"x"}', b"[1]", b"{" + b'"a' * 40000])
def test_what_is_no_answer_ends_the_connection(said: bytes) -> None:
    async def body(made: PartServer, event: Any) -> None:
        async with Subscriber(lambda document: said) as sink:
            made.subscribers.subscribe("E_X", f"tcp:127.0.0.1:{sink.port}")
            event.emit(one=1)
            await until(lambda: any("1 event(s) lost" in line for line in made.lines))

    assert [line for line in play(body, reliable_mode=1, timeout=5000) if "from 127.0.0.1" in line]


def test_silence_in_reliable_mode_is_a_timeout() -> None:
    async def body(made: PartServer, event: Any) -> None:
        async with Subscriber() as sink:
            made.subscribers.subscribe("E_X", f"tcp:127.0.0.1:{sink.port}")
            event.emit(one=1)
            await until(lambda: any("timeout for" in line for line in made.lines))
            event.emit(one=2)
            assert (await sink.next())["params"] == {"one": 1}
            assert (await sink.next())["params"] == {"one": 2}
            assert len(sink.writers) == 1

    play(body, reliable_mode=1, timeout=30)


def test_a_subscriber_that_does_not_read_costs_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_QUEUED", 50)

    async def body(made: PartServer, event: Any) -> None:
        async def never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            writer.transport.pause_reading()

        writers: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(never_read, "127.0.0.1", 0, limit=1024)
        made.subscribers.subscribe("E_X", f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}")
        event.emit(one="first")
        await until(lambda: bool(writers))
        stream, = made.registry.modules["event_stream"]._streams.values()
        large = "x" * 100_000
        await until(lambda: stream._paused or event.emit(one=large))
        for _ in range(60):
            event.emit(one=large)
        assert len(stream._queue) == 50
        await until(lambda: not stream._queue)
        server.close()
        for writer in writers:
            writer.transport.abort()

    lines = play(body, timeout=100)
    assert len([line for line in lines if "is lost: 50 events wait" in line]) == 1
    counts = [int(line.partition(", ")[2].split()[0]) for line in lines if "timeout for" in line]
    assert sum(counts) == 60 and len(counts) < 10


def test_trouble_with_a_subscriber_of_the_log_makes_no_more_of_it() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        name = f"tcp:127.0.0.1:{nobody.getsockname()[1]}"
        script = f"""
log_event_enabled=yes
socket=udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "event_stream.so"
modparam("event_stream", "timeout", 10)
startup_route {{ subscribe_event("E_CORE_LOG", "{name}"); }}
route {{ xlog("L_ERR", "once"); exit; }}
"""
        with Harness(script) as server:
            server.send(make_request("OPTIONS"))
            for _ in range(5):
                server.loop.run_until_complete(asyncio.sleep(0.02))
            assert len([line for line in server.log if "E_CORE_LOG" in line]) == 1
