"""engine.transport.udp on loopback."""

import asyncio
import socket as system
from typing import Any

import pytest

from engine.errors import TransportError
from engine.transport.udp import UdpSocket, UdpTransport


def free_port(kind: int = system.SOCK_DGRAM) -> int:
    with system.socket(system.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_receive_and_send(loop: asyncio.AbstractEventLoop) -> None:
    got: list[tuple[bytes, str, int]] = []
    enough = loop.create_future()

    def receive(data: bytes, ip: str, port: int, socket: Any, connection: Any) -> None:
        got.append((data, ip, port))
        socket.send(b"answer to " + data[:5], ip, port)
        if len(got) == 2 and not enough.done():
            enough.set_result(None)

    transport = UdpTransport(loop, lambda call: call(), receive, print)
    socket = transport.listen("127.0.0.1", free_port())
    socket.open()
    socket.start()
    with system.socket(system.AF_INET, system.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        for data in (b"short", b"first message of twenty bytes", b"\r\n\r\n", b"second message of twenty bytes"):
            peer.sendto(data, (socket.ip, socket.port))
        loop.run_until_complete(asyncio.wait_for(enough, 5))
        peer.settimeout(5)
        assert [peer.recv(100) for _ in range(2)] == [b"answer to first", b"answer to secon"]
        assert [data for data, _, _ in got] == [b"first message of twenty bytes", b"second message of twenty bytes"]
        assert got[0][1:] == peer.getsockname()
    socket.close()
    socket.close()


def test_a_taken_port_cannot_be_opened(loop: asyncio.AbstractEventLoop) -> None:
    with system.socket(system.AF_INET, system.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        socket = UdpTransport(loop, lambda call: call(), print, print).listen("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(OSError):
            socket.open()
        socket.close()


def test_what_cannot_be_sent(loop: asyncio.AbstractEventLoop) -> None:
    socket = UdpTransport(loop, lambda call: call(), print, print).listen("127.0.0.1", free_port())
    socket.open()
    for ip, port, data in (("127.0.0.1", 70000, b"x"), ("127.0.0.1", 9, b"x" * 70000), ("::1", 9, b"x")):
        with pytest.raises(TransportError) as caught:
            socket.send(data, ip, port)
        assert caught.value.code == -477
    socket.close()


def test_a_full_buffer_queues(loop: asyncio.AbstractEventLoop) -> None:
    socket = UdpTransport(loop, lambda call: call(), print, print).listen("127.0.0.1", free_port())
    socket.open()
    done: list[bytes] = []
    full = [True]

    def sendto(data: bytes, address: tuple[str, int]) -> int:
        if full[0]:
            raise BlockingIOError
        done.append(data)
        return len(data)

    assert isinstance(socket, UdpSocket)
    socket._sendto = sendto  # type: ignore[assignment]
    socket.send(b"one", "127.0.0.1", 9)
    full[0] = False
    socket.send(b"two", "127.0.0.1", 9)
    assert done == []
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    assert done == [b"one", b"two"]
    socket.send(b"three", "127.0.0.1", 9)
    assert done == [b"one", b"two", b"three"]
    socket.close()
