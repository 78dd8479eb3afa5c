"""What tests (and script authors) drive a server with: Harness runs a whole script without sockets and without real time.

    with Harness('loadmodule "sl.so" route { sl_send_reply(200, "OK"); }') as server:
        reply, = server.send(make_request("OPTIONS"))
        assert reply.text.startswith("SIP/2.0 200")
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from engine.log import LogRoot
from engine.server.core import Server
from engine.transport.address import DEFAULT_PORTS
from engine.transport.sockets import Failed, ListenSocket

PREAMBLE = """
log_level=3
socket=udp:127.0.0.1:5060
loadmodule "proto_udp.so"
"""
EPOCH = 1_700_000_000.0
"""Wall clock at the start of every Harness."""


def make_request(
    method: str = "OPTIONS", uri: str = "sip:bob@example.com", *, call_id: str = "call-1", cseq: int = 1, branch: str | None = None,
    via: str | None = None, from_tag: str = "a1", to_tag: str = "", headers: str = "", body: str = "", port: int = 5070,
) -> str:
    """A request from alice at 127.0.0.1:port. headers: further lines, each ended by CRLF."""
    via = via or f"SIP/2.0/UDP 127.0.0.1:{port};branch={branch or 'z9hG4bK-' + call_id}"
    to = "<sip:bob@example.com>" + (f";tag={to_tag}" if to_tag else "")
    return (
        f"{method} {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag={from_tag}\r\n"
        f"To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}"
    )


def make_reply(request: str, code: int, reason: str = "Reason", *, to_tag: str = "b1", headers: str = "", body: str = "") -> str:
    """The reply a phone gives to a request it got."""
    copied = [line for line in request.partition("\r\n\r\n")[0].split("\r\n")[1:]
              if line.partition(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq", "Record-Route")]
    if to_tag and code > 100:
        copied = [f"{line};tag={to_tag}" if line.startswith("To:") and ";tag=" not in line else line for line in copied]
    head = "\r\n".join([f"SIP/2.0 {code} {reason}", *copied])
    return f"{head}\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}"


class FakeClock:
    """Seconds that pass when told to."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class LineLog(LogRoot):
    """A log that keeps its lines."""

    __slots__ = ("lines",)

    def __init__(self, clock: Callable[[], float] = lambda: EPOCH) -> None:
        self.lines: list[str] = []
        super().__init__(clock=clock)

    def flush(self) -> None:
        """Keep what was to be written."""
        self.lines += [line.decode("latin-1") for line in self._buffer]
        self._buffer.clear()


class Sent(NamedTuple):
    """One message the server sent."""

    text: str
    proto: str
    ip: str
    port: int
    socket: str
    connection: int

    @property
    def first_line(self) -> str:
        """Request or status line."""
        return self.text.partition("\r\n")[0]

    def header(self, name: str) -> str | None:
        """Value of the first header of that name."""
        for line in self.text.partition("\r\n\r\n")[0].split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


class WireSocket(ListenSocket):
    """A listening socket whose wire is a list."""

    __slots__ = ()

    def open(self) -> None:
        """Nothing to bind."""

    def start(self) -> None:
        """Messages come by Harness.send()."""

    def close(self) -> None:
        """Nothing to close."""

    def send(self, data: bytes, ip: str, port: int) -> None:
        """Write down what is sent."""
        self.transport.put(data, ip, port, self, 0)  # type: ignore[attr-defined]


class WireConnection:
    """A stream connection as the server sees it."""

    def __init__(self, wire: Wire, number: int, ip: str, port: int, socket: ListenSocket) -> None:
        self.id = number
        self.proto = wire.proto
        self.ip = ip
        self.port = port
        self.socket = socket
        self._wire = wire

    def send(self, data: bytes, failed: Failed | None = None) -> None:
        """Write down what is sent."""
        self._wire.put(data, self.ip, self.port, self.socket, self.id)

    def keep_for(self, seconds: float) -> None:
        """It stays for ever."""


class Wire:
    """A transport that delivers into a list."""

    def __init__(self, proto: str, sent: list[Sent], default_port: int = 0) -> None:
        self.proto = proto
        self.default_port = default_port or DEFAULT_PORTS[proto]
        self.is_stream = proto != "udp"
        self.sent = sent
        self.connections: dict[int, WireConnection] = {}

    def put(self, data: bytes, ip: str, port: int, socket: ListenSocket, connection: int) -> None:
        """Write down what is sent."""
        self.sent.append(Sent(data.decode("latin-1"), self.proto, ip, port, socket.name, connection))

    def listen(self, ip: str, port: int, **options: Any) -> WireSocket:
        """A socket of this protocol."""
        for kernel_option in ("tos", "reuse_port", "frag"):
            options.pop(kernel_option, None)
        return WireSocket(self, ip, port, **options)

    def connection(self, ip: str, port: int, socket: ListenSocket) -> WireConnection:
        """The connection to a peer, made on first use."""
        found = self.find(ip, port, 0)
        if found is None:
            found = WireConnection(self, len(self.connections) + 1, ip, port, socket)
            self.connections[found.id] = found
        return found

    def find(self, ip: str, port: int, connection_id: int) -> WireConnection | None:
        """By id, else by the peer's address."""
        if connection_id in self.connections:
            return self.connections[connection_id]
        return next((one for one in self.connections.values() if (one.ip, one.port) == (ip, port)), None)

    def send(
        self, data: bytes, ip: str, port: int, socket: ListenSocket, connection_id: int, failed: Failed | None, new: bool,
        sender: Any = None,
    ) -> WireConnection:
        """Over the connection of that id, else to the address."""
        found = self.find(ip, port, connection_id) or self.connection(ip, port, socket)
        found.send(data)
        return found

    def add_alias(self, connection: WireConnection, port: int) -> bool:
        """One connection per peer is enough here."""
        return True

    def close(self) -> None:
        """Nothing to close."""


class HarnessServer(Server):
    """A server on wires, in virtual time."""

    def __init__(self, sent: list[Sent], compat: str) -> None:
        self.sent = sent
        super().__init__(clock=None, log=LineLog(), compat=compat)

    def enable_protocol(self, proto: str, **options: Any) -> None:
        """Lists instead of sockets."""
        self.sockets.enable(Wire(proto, self.sent, options.get("default_port", 0)))

    def wall(self) -> float:
        """Wall clock that goes with the virtual time."""
        return EPOCH + self.timers.now()


class Harness:
    """A running script. script: its text; without `socket` and proto_udp in it they are put in front. compat: release."""

    def __init__(self, script: str, *, compat: str = "3.6", preamble: bool | None = None, folder: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory() if folder is None else None
        path = Path(folder or self._folder.name) / "test.cfg"  # type: ignore[union-attr]
        if preamble or (preamble is None and "socket" not in script):
            script = PREAMBLE + script
        path.write_text(script, encoding="latin-1")
        self.path = path
        self.sent: list[Sent] = []
        self.loop = asyncio.new_event_loop()
        self.server = HarnessServer(self.sent, compat)
        self.server.loop = self.loop
        self.server.cfg_path = os.fspath(path)
        try:
            self.server.load()
            self._do(self.server.start())
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server."""
        self._do(self.server.stop())
        self._release()

    def _release(self) -> None:
        self.loop.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _do(self, work: Any) -> Any:
        """Run a coroutine and everything it set off."""

        async def whole() -> Any:
            result = await work
            await self._settle()
            return result

        return self.loop.run_until_complete(whole())

    async def _settle(self) -> None:
        """Until nothing is deferred and nobody waits for something that comes within a moment."""
        for turn in range(400):
            await asyncio.sleep(0 if turn < 40 else 0.002)
            if turn >= 5 and not self.server.workers.parked and not self.server._deferred:
                return

    def call(self, work: Callable[[], Any]) -> Any:
        """The result of work() done in a worker, as script code is."""
        from engine.workers import in_worker

        return self._do(in_worker(self.server.workers, work))

    def send(
        self, text: str, source: tuple[str, int] = ("127.0.0.1", 5070), *, to: str = "", proto: str = "udp",
    ) -> list[Sent]:
        """Deliver a message from an address; what the server sends because of it (also kept in .sent). to: name of a socket."""
        sockets = self.server.sockets
        socket = sockets.find(to) if to else sockets.first(proto)
        assert socket is not None, f"no socket {to or proto}"
        wire: Any = socket.transport
        connection = None if proto == "udp" else wire.connection(*source, socket)
        before = len(self.sent)
        data = text.encode("latin-1")

        async def deliver() -> None:
            self.server.workers.run(lambda: self.server.receiver.receive(data, *source, socket, connection))

        self._do(deliver())
        return self.sent[before:]

    def advance(self, seconds: float) -> list[Sent]:
        """Let virtual time pass; what the server sends meanwhile."""
        before = len(self.sent)
        end = self.server.timers.now() + seconds

        async def step(moment: float) -> None:
            self.server.timers.advance(moment)

        while True:
            due = self.server.timers.next_due()
            if due is None or due > end:
                break
            self._do(step(due))
        self._do(step(end))
        return self.sent[before:]

    @property
    def log(self) -> list[str]:
        """The log so far, one item per line written."""
        return self.server.log.lines  # type: ignore[attr-defined,no-any-return]

    def xlog(self, marker: str = "XL|") -> list[str]:
        """What xlog printed behind a marker, line ends removed."""
        return [line[line.index(marker) + len(marker):].rstrip("\n") for line in self.log if marker in line]

    def mi(self, command: str, params: Any = None) -> Any:
        """The result of an MI command."""
        return self._do(self.server.mi.call(command, params))
