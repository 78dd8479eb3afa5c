"""MI over datagrams: UDP and UNIX sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from engine.errors import ConfigError, ConfigErrors
from tests.modules.parts import PartServer

WHICH = b'{"jsonrpc":"2.0","method":"which","params":["help"],"id":1}'
ANSWER = b'{"jsonrpc":"2.0","result":[[],["mi_cmd"]],"id":1}'


def server(name: str, **params: object) -> PartServer:
    made = PartServer()
    made.load_core_mi()
    made.load("mi_datagram", socket_name=name, **params)
    return made


async def ask(client: socket.socket, data: bytes, address: object, patience: float = 1.0) -> bytes:
    client.setblocking(False)
    client.sendto(data, address)
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65536), patience)
    except TimeoutError:
        return b""


def test_udp() -> None:
    async def body() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        made = server(f"udp:127.0.0.1:{port}")
        async with made:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                assert await ask(client, WHICH, ("127.0.0.1", port)) == ANSWER
                assert await ask(client, b"which", ("127.0.0.1", port)) == b"400 Parse_error"
                assert await ask(client, b'{"jsonrpc":"2.0","method":"which"}', ("127.0.0.1", port), 0.05) == b""
                for number in range(3000):
                    made.events.define(f"E_SOME_LONG_NAME_{number}")
                long = await ask(client, b'{"jsonrpc":"2.0","method":"events_list","id":1}', ("127.0.0.1", port))
                assert b"does not fit" in long

    asyncio.run(body())


def test_unix(tmp_path: Path) -> None:
    async def body() -> None:
        path = tmp_path / "mi.sock"
        async with server(str(path), unix_socket_mode=0o600):
            assert os.stat(path).st_mode & 0o777 == 0o600
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.bind(str(tmp_path / "client.sock"))
                assert await ask(client, WHICH, str(path)) == ANSWER
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless:
                nameless.sendto(WHICH, str(path))
                await asyncio.sleep(0.02)
        assert not path.exists()

    asyncio.run(body())


def test_what_refuses_the_start(tmp_path: Path) -> None:
    async def start(name: str) -> None:
        async with server(name):
            raise AssertionError("it started")

    with pytest.raises(ConfigErrors, match="no socket"):
        asyncio.run(start(""))
    with pytest.raises(ConfigError, match="bad socket_name"):
        asyncio.run(start("udp:127.0.0.1"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="is not a socket"):
        asyncio.run(start(str(tmp_path / "file")))
