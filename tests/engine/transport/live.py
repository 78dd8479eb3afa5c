"""A whole server on real sockets of the loopback, and clients of every transport in the same event loop."""

from __future__ import annotations

import asyncio
import os
import socket as system
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

from engine.server.core import Server
from tests.helpers import LineLog

PATIENCE = 10.0
"""Seconds after which a test that waits in vain fails."""


def free_port(host: str = "127.0.0.1") -> int:
    """A stream port nobody uses."""
    with system.socket(system.AF_INET6 if ":" in host else system.AF_INET, system.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Live:
    """A running script. text may hold {port} marks: every name in ports becomes a free port."""

    def __init__(self, text: str, folder: Path, **marks: Any) -> None:
        self.folder = folder
        for mark, value in marks.items():
            text = text.replace("{" + mark + "}", str(value))
        path = folder / "live.cfg"
        path.write_text(text)
        self.loop = asyncio.new_event_loop()
        self.log = LineLog()
        self.server = Server(log=self.log)
        self.server.loop = self.loop
        self.server.cfg_path = os.fspath(path)
        try:
            self.server.load()
            self.loop.run_until_complete(self.server.start())
        except BaseException:
            self.server.sockets.close()
            self.loop.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.loop.run_until_complete(self.server.stop())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine, which may talk to the server."""
        return self.loop.run_until_complete(asyncio.wait_for(work, PATIENCE))

    def until(self, condition: Callable[[], Any]) -> Any:
        """What condition() gives when it gives something."""

        async def wait() -> Any:
            while not (found := condition()):
                await asyncio.sleep(0.001)
            return found

        return self.run(wait())

    def connections(self, proto: str) -> list[Any]:
        """The server's connections of a protocol."""
        transport: Any = self.server.sockets.transports[proto]
        return list(transport.connections.values())

    def sweep(self, proto: str, seconds: float) -> None:
        """Let the limits of a transport think that so much time has passed."""
        transport: Any = self.server.sockets.transports[proto]
        before = transport.now
        transport.now = lambda: before() + seconds
        try:
            transport.sweep()
        finally:
            transport.now = before

    def xlog(self, marker: str = "XL|") -> list[str]:
        """What xlog printed behind a marker."""
        self.log.flush()
        return [line[line.index(marker) + len(marker):].rstrip("\n") for line in self.log.lines if marker in line]

    def mi(self, command: str, params: Any = None) -> Any:
        """The result of an MI command."""
        return self.run(self.server.mi.call(command, params))


class Stream:
    """A client of tcp or tls."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, host: str, port: int, context: ssl.SSLContext | None = None, name: str | None = None) -> Stream:
        """Connect; with a context over TLS, asking for name."""
        return cls(*await asyncio.open_connection(host, port, ssl=context, server_hostname=name if context is not None else None))

    @property
    def local(self) -> tuple[str, int]:
        """Our address."""
        return self.writer.get_extra_info("sockname")[:2]  # type: ignore[no-any-return]

    def send(self, text: str) -> None:
        """Send text."""
        self.writer.write(text.encode("latin-1"))

    async def receive(self) -> str:
        """The next message."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        return (head + await self.reader.readexactly(length)).decode("latin-1")

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            pass


class Web:
    """A client of ws or wss."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    @classmethod
    async def open(
        cls, host: str, port: int, context: ssl.SSLContext | None = None, *, origin: str | None = "http://localhost", protocols: Any = ("sip",),
        name: str | None = None,
    ) -> Web:
        """Connect; with a context over TLS."""
        shown = f"[{host}]" if ":" in host else host
        options: dict[str, Any] = {"ssl": context, "server_hostname": name} if context is not None else {}
        return cls(await connect(
            f"{'wss' if context is not None else 'ws'}://{shown}:{port}/", origin=origin, subprotocols=protocols, compression=None,
            proxy=None, **options))

    @property
    def local(self) -> tuple[str, int]:
        """Our address."""
        return self.connection.local_address[:2]  # type: ignore[no-any-return]

    async def send(self, text: Any) -> None:
        """Send a message: text, bytes, or a list of fragments."""
        await self.connection.send(text)

    async def receive(self) -> str:
        """The next message."""
        found = await self.connection.recv()
        return found if isinstance(found, str) else found.decode("latin-1")

    async def close(self) -> None:
        """Hang up."""
        await self.connection.close()


class Datagram(asyncio.DatagramProtocol):
    """A client of udp."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[str] = asyncio.Queue()
        self.transport: Any = None

    @classmethod
    async def open(cls, host: str, port: int) -> Datagram:
        """A socket that talks to that address."""
        _, made = await asyncio.get_running_loop().create_datagram_endpoint(cls, remote_addr=(host, port))
        return made

    def connection_made(self, transport: Any) -> None:
        """It is there."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """One message."""
        self.got.put_nowait(data.decode("latin-1"))

    @property
    def local(self) -> tuple[str, int]:
        """Our address."""
        return self.transport.get_extra_info("sockname")[:2]  # type: ignore[no-any-return]

    def send(self, text: str) -> None:
        """Send text."""
        self.transport.sendto(text.encode("latin-1"))

    async def receive(self) -> str:
        """The next message."""
        return await self.got.get()

    async def close(self) -> None:
        """Done."""
        self.transport.close()


def trusting(ca: Path | None, *, certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
    """What a TLS client uses: trusts an authority (None: everybody), shows a certificate when it has one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if ca is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(ca)
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context
