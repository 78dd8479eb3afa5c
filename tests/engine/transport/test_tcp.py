"""engine.transport.tcp on loopback."""

import asyncio
import socket as system
from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import TransportError
from engine.transport.tcp import Connection, TcpSettings, TcpTransport
from tests.engine.transport.test_udp import free_port
from tests.helpers import FakeClock, make_request

MESSAGE = make_request().encode()


class Room:
    """A TCP transport with one listener, what it received and what ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:
        self.loop = loop
        self.clock = FakeClock(1000.0)
        self.got: list[tuple[bytes, Connection]] = []
        self.ended: list[str] = []
        self.transport = TcpTransport(
            loop, lambda call: call(), lambda data, ip, port, socket, connection: self.got.append((data, connection)),
            lambda *_: None, self.clock, TcpSettings(**settings), disconnected=lambda one, reason: self.ended.append(reason))
        self.socket = self.transport.listen("127.0.0.1", free_port(system.SOCK_STREAM))
        self.socket.open()
        self.socket.start()

    def until(self, condition: Callable[[], Any]) -> None:
        async def wait() -> None:
            while not condition():
                await asyncio.sleep(0.001)

        self.loop.run_until_complete(asyncio.wait_for(wait(), 5))

    def peer(self) -> system.socket:
        peer = system.create_connection((self.socket.ip, self.socket.port), timeout=5)
        known = len(self.transport.connections)
        self.until(lambda: len(self.transport.connections) > known)
        return peer

    def read(self, peer: system.socket) -> bytes:
        peer.setblocking(False)
        found = b""

        def ready() -> bool:
            nonlocal found
            try:
                found = peer.recv(100)
            except BlockingIOError:
                return False
            return True

        self.until(ready)
        return found

    def close(self) -> None:
        self.socket.close()
        self.transport.close()


@pytest.fixture
def room(loop: asyncio.AbstractEventLoop):  # noqa: ANN201
    made = Room(loop)
    yield made
    made.close()


def test_messages_keepalives_and_replies(room: Room) -> None:
    with room.peer() as peer:
        peer.sendall(MESSAGE + b"\r\n\r\n" + MESSAGE[:50])
        room.until(lambda: room.got)
        assert room.read(peer) == b"\r\n"
        peer.sendall(MESSAGE[50:])
        room.until(lambda: len(room.got) == 2)
        assert [data for data, _ in room.got] == [MESSAGE, MESSAGE]
        connection = room.got[0][1]
        assert (connection.ip, connection.port) == peer.getsockname()
        room.transport.send(b"by id", "192.0.2.1", 1, room.socket, connection.id, None, False)
        assert room.read(peer) == b"by id"
        room.transport.send(b"by address", *peer.getsockname(), room.socket, 0, None, False)
        assert room.read(peer) == b"by address"
        assert len(room.transport.connections) == 1
    room.until(lambda: room.ended)
    assert room.ended == ["connection closed by the peer"]
    assert room.transport.find(connection.ip, connection.port, connection.id) is None
    with pytest.raises(TransportError):
        connection.send(b"late")


def test_broken_streams_are_closed_and_what_came_before_counts(room: Room) -> None:
    with room.peer() as peer:
        peer.sendall(MESSAGE + MESSAGE.replace(b"Content-Length: 0", b"Content-Length: abc"))
        assert room.read(peer) == b""
    assert [data for data, _ in room.got] == [MESSAGE]


def test_too_many_pieces(loop: asyncio.AbstractEventLoop) -> None:
    room = Room(loop, max_message_chunks=3)
    with room.peer() as peer:
        connection = next(iter(room.transport.connections.values()))
        for at in range(3):
            seen = connection._framer.chunks
            peer.sendall(MESSAGE[at * 40:at * 40 + 40])
            room.until(lambda: connection._framer.chunks != seen)  # noqa: B023
        assert room.read(peer) == b""
    room.close()


def test_connecting_and_reuse(room: Room) -> None:
    with system.create_server(("127.0.0.1", 0)) as other:
        address = other.getsockname()
        other.settimeout(5)
        connection = room.transport.send(b"one ", *address, room.socket, 0, None, True)
        assert room.transport.send(b"two", *address, room.socket, 0, None, True) is connection
        accepted, source = other.accept()
        with accepted:
            assert source[0] == "127.0.0.1"
            data = b""
            while len(data) < 7:
                data += room.read(accepted)
            assert data == b"one two"
            accepted.setblocking(True)
            accepted.sendall(MESSAGE)
            room.until(lambda: room.got)
            assert room.got[0][1] is connection
    with pytest.raises(TransportError):
        room.transport.send(b"x", "127.0.0.1", free_port(system.SOCK_STREAM), room.socket, 0, None, False)


def test_a_refused_connection_is_an_error(room: Room) -> None:
    failures: list[TransportError] = []
    try:
        room.transport.send(b"x", "127.0.0.1", free_port(system.SOCK_STREAM), room.socket, 0, failures.append, True)
    except TransportError as error:
        failures.append(error)
    room.until(lambda: failures)
    assert failures[0].code == -477
    assert room.transport.connections == {}
    assert room.ended == []


def test_aliases(room: Room) -> None:
    with room.peer() as peer, room.peer() as second:
        first = room.transport.find(*peer.getsockname(), 0)
        other = room.transport.find(*second.getsockname(), 0)
        assert first is not None
        assert other is not None
        assert room.transport.add_alias(first, 5060)
        assert room.transport.add_alias(first, 5060)
        assert not room.transport.add_alias(other, 5060)
        assert room.transport.find("127.0.0.1", 5060, 0) is first
    room.until(lambda: not room.transport.connections)
    assert room.transport.find("127.0.0.1", 5060, 0) is None


def test_idle_unfinished_and_overlong_connections_end(room: Room) -> None:
    with room.peer() as idle, room.peer() as slow:
        slow.sendall(MESSAGE[:30])
        unfinished = room.transport.find(*slow.getsockname(), 0)
        assert unfinished is not None
        room.until(lambda: unfinished.partial_since)
        room.clock.now += 3.9
        room.transport.sweep()
        assert len(room.transport.connections) == 2
        room.clock.now += 0.2
        room.transport.sweep()
        assert room.ended == ["unfinished message"]
        room.transport.send(b"renews", *idle.getsockname(), room.socket, 0, None, False)
        room.clock.now += 119
        room.transport.sweep()
        assert len(room.transport.connections) == 1
        room.clock.now += 2
        room.transport.sweep()
        assert room.ended == ["unfinished message", "lifetime over"]


def test_no_more_connections_than_allowed(loop: asyncio.AbstractEventLoop) -> None:
    room = Room(loop, max_connections=1)
    with room.peer(), system.create_connection((room.socket.ip, room.socket.port), timeout=5) as refused:
        assert room.read(refused) == b""
        with pytest.raises(TransportError, match="maximum"):
            room.transport.send(b"x", "127.0.0.1", 9, room.socket, 0, None, True)
    room.close()


def test_a_peer_that_does_not_read(loop: asyncio.AbstractEventLoop) -> None:
    room = Room(loop, max_queue=4)
    failures: list[TransportError] = []
    with room.peer() as peer:
        with pytest.raises(TransportError, match="too many"):
            for _ in range(1000):
                room.transport.send(b"x" * 100_000, *peer.getsockname(), room.socket, 0, failures.append, False)
        assert len(failures) == 4
        assert room.transport.connections == {}
    room.close()
