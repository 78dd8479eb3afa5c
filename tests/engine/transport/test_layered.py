"""engine.transport.layered on loopback: handshakes that never end, limits, what waits, what is told when it ends."""

from __future__ import annotations

import asyncio
import os
import socket as system
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import TransportError
from engine.transport.address import one_form
from engine.transport.layered import LayeredConnection, LayeredTransport
from engine.transport.tcp import TcpSettings
from engine.transport.websocket import WebSocketSession, WebSocketSettings
from modules.tls_mgm.domains import Domain
from tests.engine.transport.certificates import Authority
from tests.engine.transport.live import free_port, trusting
from tests.engine.transport.test_websocket import HANDSHAKE, frame
from tests.helpers import FakeClock, make_request

MESSAGE = make_request().encode()


class OneDomain:
    """A policy with one domain in each direction; the client's follows `wish`."""

    def __init__(self, server: Domain, clients: dict[str, Domain]) -> None:
        self.server, self.clients, self.wish = server, clients, "first"

    def server_domain(self, ip: str, port: int, name: str | None) -> Domain | None:
        return self.server

    def needs_name(self, ip: str, port: int) -> bool:
        return False

    def client_domain(self, ip: str, port: int, sender: Any) -> tuple[Domain | None, str | None]:
        return self.clients.get(sender or self.wish), "example.com"


class Room:
    """A transport with one listener, what it received and what ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, proto: str, folder: Path, host: str = "127.0.0.1", **options: Any) -> None:
        self.loop = loop
        self.clock = FakeClock(1000.0)
        self.got: list[tuple[bytes, Any]] = []
        self.ended: list[str] = []
        self.warned: list[str] = []
        check_reuse = options.pop("check_reuse", False)
        policy = None
        if proto != "ws":
            authority = Authority(folder)
            self.ca = authority.ca
            certificate, key = authority.issue("server")
            server = Domain("server", True, certificate=certificate, private_key=key, verify_cert=False)
            server.build()
            clients = {}
            for name in ("first", "second"):
                clients[name] = Domain(name, False, ca_list=str(authority.ca))
                clients[name].build()
            self.policy = policy = OneDomain(server, clients)
        self.transport = LayeredTransport(
            proto, loop, lambda call: call(), lambda data, ip, port, socket, connection: self.got.append((data, connection)),
            lambda text, *args: self.warned.append(text % args), self.clock, TcpSettings(**options),
            disconnected=lambda one, reason: self.ended.append(reason), policy=policy, check_reuse=check_reuse,
            web=None if proto == "tls" else lambda host, port: WebSocketSession(
                WebSocketSettings(max_chunks=0), host=host, port=port, secure=proto == "wss"))
        self.socket = self.transport.listen(host, free_port(host))
        self.socket.open()
        self.socket.start()

    def until(self, condition: Callable[[], Any]) -> None:
        async def wait() -> None:
            while not condition():
                await asyncio.sleep(0.001)

        self.loop.run_until_complete(asyncio.wait_for(wait(), 10))

    def peer(self) -> system.socket:
        """A TCP connection that the transport has accepted."""
        known = len(self.transport.connections)
        peer = system.create_connection((self.socket.ip, self.socket.port), timeout=5)
        self.until(lambda: len(self.transport.connections) > known)
        return peer

    def send(self, message: bytes = MESSAGE, failed: Any = None, sender: Any = None) -> LayeredConnection:
        """Send to our own listener."""
        found = self.transport.send(message, self.socket.ip, self.socket.port, self.socket, 0, failed, True, sender)
        assert isinstance(found, LayeredConnection)
        return found

    def later(self, seconds: float) -> None:
        self.clock.now += seconds
        self.transport.sweep()


@pytest.fixture
def rooms(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[Callable[..., Room]]:
    made: list[Room] = []

    def make(proto: str, **options: Any) -> Room:
        made.append(Room(loop, proto, tmp_path, **options))
        return made[-1]

    yield make
    for room in made:
        room.socket.close()
        room.transport.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("proto", ["tls", "ws", "wss"])
def test_both_ends_and_the_same_connection_back(rooms: Callable[..., Room], proto: str, host: str) -> None:
    room = rooms(proto, host=host)
    second = make_request(call_id="two").encode()
    room.send()
    sender = room.send(second)                   # both wait for the handshake
    room.until(lambda: len(room.got) == 2)
    assert [data for data, _ in room.got] == [MESSAGE, second]
    accepted = room.got[0][1]
    assert accepted.incoming
    assert accepted.ip == one_form(host)
    room.transport.send(MESSAGE, sender.local_ip, sender.local_port, room.socket, accepted.id, None, False)
    room.until(lambda: len(room.got) == 3)
    assert room.got[2][1] is sender
    assert len(room.transport.connections) == 2


@pytest.mark.parametrize("proto, hello", [
    ("tls", b""), ("tls", b"\x16\x03\x01\x02\x00\x01"), ("ws", b""), ("ws", HANDSHAKE[:60].encode()), ("wss", b""), ("wss", b"\x16\x03"),
])
def test_a_handshake_that_never_ends(rooms: Callable[..., Room], proto: str, hello: bytes) -> None:
    room = rooms(proto, handshake_timeout=5.0)
    with room.peer() as peer:
        peer.sendall(hello)
        connection, = room.transport.connections.values()
        room.later(4.9)
        assert room.transport.connections
        room.later(0.2)
        assert not room.transport.connections
        assert room.ended == ["handshake timed out"]
        assert connection.state == "closed"


def test_wss_with_tls_done_and_no_websocket(rooms: Callable[..., Room]) -> None:
    room = rooms("wss")

    async def shake() -> Any:
        return await asyncio.open_connection("127.0.0.1", room.socket.port, ssl=trusting(room.ca), server_hostname="x")

    _, writer = room.loop.run_until_complete(shake())
    connection: Any = next(iter(room.transport.connections.values()))
    room.until(lambda: connection.tls.ready)
    room.later(6)
    assert room.ended == ["handshake timed out"]
    writer.transport.abort()
    room.loop.run_until_complete(asyncio.sleep(0))


@pytest.mark.parametrize("proto", ["tls", "ws", "wss"])
def test_a_server_that_never_answers_the_handshake(rooms: Callable[..., Room], proto: str) -> None:
    room = rooms(proto)
    with system.create_server(("127.0.0.1", 0)) as mute:
        failed: list[TransportError] = []
        room.transport.send(MESSAGE, "127.0.0.1", mute.getsockname()[1], room.socket, 0, failed.append, True)
        connection: Any = next(iter(room.transport.connections.values()))
        room.until(lambda: connection.state == "open")
        room.later(6)
        assert ["handshake timed out" in str(error) for error in failed] == [True]


@pytest.mark.parametrize("proto", ["tls", "ws", "wss"])
def test_what_waits_is_limited_and_told_of_failure(rooms: Callable[..., Room], proto: str) -> None:
    room = rooms(proto, max_queue=2)
    with system.create_server(("127.0.0.1", 0)) as mute:
        failed: list[TransportError] = []

        def put() -> None:
            room.transport.send(MESSAGE, "127.0.0.1", mute.getsockname()[1], room.socket, 0, failed.append, True)

        put()
        put()
        with pytest.raises(TransportError, match="too many"):
            put()
        assert len(failed) == 2
        assert not room.transport.connections


def test_garbage_instead_of_tls(rooms: Callable[..., Room]) -> None:
    room = rooms("tls")
    with room.peer() as peer:
        peer.sendall(MESSAGE)
        room.until(lambda: not room.transport.connections)
    assert len(room.warned) == 1
    assert not room.got


def test_garbage_instead_of_websocket(rooms: Callable[..., Room]) -> None:
    room = rooms("ws")
    with room.peer() as peer:
        peer.sendall(MESSAGE)
        room.until(lambda: not room.transport.connections)
    assert not room.got


def test_slow_messages_and_idle_connections_of_websocket(rooms: Callable[..., Room]) -> None:
    room = rooms("ws", lifetime=120.0, max_message_time=4.0)
    with room.peer() as peer:
        peer.sendall(HANDSHAKE.encode())
        connection: Any = next(iter(room.transport.connections.values()))
        room.until(lambda: not connection.handshaking)
        room.later(100)
        whole = frame(MESSAGE)
        peer.sendall(whole)
        room.until(lambda: room.got)
        room.later(100)                          # the message has given it new life
        assert room.transport.connections
        peer.sendall(whole[:5])
        room.until(lambda: connection.partial_since)
        for at in range(5, 8):                   # bytes that trickle in do not help
            room.later(1)
            known = connection.web.chunks
            peer.sendall(whole[at:at + 1])
            room.until(lambda known=known: connection.web.chunks > known)
        room.later(1.5)
        assert room.ended == ["unfinished message"]
    with room.peer() as peer:
        peer.sendall(HANDSHAKE.encode())
        connection = next(iter(room.transport.connections.values()))
        room.until(lambda: not connection.handshaking)
        connection.keep_for(500)
        room.later(400)
        assert room.transport.connections
        room.later(200)
        assert room.ended[1:] == ["lifetime over"]


def test_idle_tls_ends_with_its_lifetime(rooms: Callable[..., Room]) -> None:
    room = rooms("tls", lifetime=10.0)
    sender = room.send()
    room.until(lambda: room.got)
    room.later(9)
    assert len(room.transport.connections) == 2
    room.later(2)
    assert not room.transport.connections
    assert sender.state == "closed"


def test_the_number_of_connections_is_limited(rooms: Callable[..., Room]) -> None:
    room = rooms("tls", max_connections=2)
    with room.peer(), room.peer():
        with system.create_connection((room.socket.ip, room.socket.port), timeout=5) as third:
            room.until(lambda: room.warned)
            assert third.recv(10) == b""
        assert len(room.transport.connections) == 2
        with pytest.raises(TransportError, match="maximum number"):
            room.transport.send(MESSAGE, "127.0.0.1", 1, room.socket, 0, None, True)


def test_hundreds_of_connections(rooms: Callable[..., Room]) -> None:
    room = rooms("ws", max_connections=400, backlog=50)
    peers = [system.create_connection((room.socket.ip, room.socket.port), timeout=5) for _ in range(40)]
    for _ in range(6):
        wanted = len(peers)
        room.until(lambda wanted=wanted: len(room.transport.connections) == wanted)
        peers += [system.create_connection((room.socket.ip, room.socket.port), timeout=5) for _ in range(40)]
    room.until(lambda: len(room.transport.connections) == len(peers))
    for peer in peers:
        peer.sendall(HANDSHAKE.encode())
    room.until(lambda: all(peer.recv(4, system.MSG_PEEK) for peer in peers))
    for peer in peers:
        peer.sendall(frame(MESSAGE))
    room.until(lambda: len(room.got) == len(peers))
    for peer in peers:
        peer.close()
    room.until(lambda: not room.transport.connections)


def test_refused_at_once(rooms: Callable[..., Room]) -> None:
    room = rooms("wss")
    failed: list[TransportError] = []
    try:
        room.transport.send(MESSAGE, "127.0.0.1", free_port(), room.socket, 0, failed.append, True)
    except TransportError:
        pass
    else:
        room.until(lambda: failed)
    assert not room.transport.connections


@pytest.mark.parametrize("check", [False, True])
def test_connections_of_another_domain(rooms: Callable[..., Room], check: bool) -> None:
    room = rooms("tls", check_reuse=check)
    first = room.send(sender="first")
    room.until(lambda: room.got)
    second = room.send(sender="second")
    assert (second is first) is not check
    if check:
        assert room.send(sender="first") is first
        assert room.send(sender="second") is second
        room.until(lambda: len(room.got) == 4)


def test_no_client_domain(rooms: Callable[..., Room]) -> None:
    room = rooms("tls")
    with pytest.raises(TransportError, match="no TLS client domain"):
        room.send(sender="third")
    assert not room.transport.connections


def test_a_server_nobody_trusts_gets_no_message(rooms: Callable[..., Room], tmp_path: Path) -> None:
    room = rooms("tls")
    (tmp_path / "other").mkdir()
    strict = Domain("strict", False, ca_list=str(Authority(tmp_path / "other", "Other CA").ca))
    strict.build()
    room.policy.clients["strict"] = strict
    failed: list[TransportError] = []
    room.send(failed=failed.append, sender="strict")
    room.until(lambda: failed)
    assert "certificate refused" in str(failed[0])
    assert not room.got


def test_closing_says_goodbye(rooms: Callable[..., Room]) -> None:
    room = rooms("wss")
    room.send()
    room.until(lambda: room.got)
    accepted = room.got[0][1]
    accepted.close("enough")
    room.until(lambda: len(room.ended) == 2)
    assert room.ended[0] == "enough"
    assert "1001" in room.ended[1]


def test_oversize_frames_end_the_connection(rooms: Callable[..., Room]) -> None:
    room = rooms("ws")
    with room.peer() as peer:
        peer.sendall(HANDSHAKE.encode())
        connection: Any = next(iter(room.transport.connections.values()))
        room.until(lambda: not connection.handshaking)
        assert peer.recv(4000).startswith(b"HTTP/1.1 101")
        peer.sendall(frame(b"", length=1 << 40))
        room.until(lambda: not room.transport.connections)
        answer = peer.recv(100)
        assert (answer[0], int.from_bytes(answer[2:4], "big")) == (0x88, 1009)


def test_a_forged_record_ends_the_connection(rooms: Callable[..., Room]) -> None:
    room = rooms("tls")
    context = trusting(room.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3

    async def talk() -> Any:
        return await asyncio.open_connection("127.0.0.1", room.socket.port, ssl=context, server_hostname="x")

    _, writer = room.loop.run_until_complete(talk())
    raw = writer.get_extra_info("socket").fileno()
    connection: Any = next(iter(room.transport.connections.values()))
    room.until(lambda: not connection.handshaking)
    os.write(raw, b"\x17\x03\x03\x00\x20" + bytes(32))
    room.until(lambda: not room.transport.connections)
    assert not room.got
    writer.transport.abort()
    room.loop.run_until_complete(asyncio.sleep(0))


def test_a_record_that_trickles_in_gives_no_new_life(rooms: Callable[..., Room]) -> None:
    room = rooms("tls", lifetime=10.0)

    async def talk() -> Any:
        return await asyncio.open_connection("127.0.0.1", room.socket.port, ssl=trusting(room.ca), server_hostname="x")

    _, writer = room.loop.run_until_complete(talk())
    raw = writer.get_extra_info("socket").fileno()
    connection: Any = next(iter(room.transport.connections.values()))
    room.until(lambda: not connection.handshaking)
    known = connection.expires
    for part in (b"\x17\x03\x03", b"\x10\x00", b"x" * 50):
        room.later(3)
        os.write(raw, part)
        for _turn in range(5):
            room.loop.run_until_complete(asyncio.sleep(0))
    assert connection.expires == known
    room.later(2)
    assert room.ended == ["lifetime over"]
    writer.transport.abort()
    room.loop.run_until_complete(asyncio.sleep(0))
