"""opensips-like demo: a sleeping phone is woken for a call, message by message, on real sockets.

Starts this server on free loopback ports with the push script, plays a phone that registers with RFC 8599 coordinates and
falls asleep, a push service that hears the server's request, and a caller; prints the ladder as it happens.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncio_dgram

SCRIPT = """
log_level=1
xlog_level=3
stderror_enabled=yes
syslog_enabled=no
socket=udp:127.0.0.1:@PORT@
loadmodule "proto_udp.so"
loadmodule "signaling.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "sipmsgops.so"
loadmodule "usrloc.so"
loadmodule "event_routing.so"
loadmodule "registrar.so"
modparam("registrar", "pn_enable", true)
modparam("registrar", "pn_providers", "apns, fcm, webpush")
modparam("registrar", "pn_enable_purr", true)
modparam("registrar", "pn_refresh_timeout", 6)

event_route[E_UL_CONTACT_REFRESH] {
    xlog("L_INFO", "PUSH $param(reason) $(param(uri){uri.param,pn-provider})\\n");
}

route {
    mf_process_maxfwd_header(10);
    if (has_totag()) {
        if (is_method("ACK") && t_check_trans()) {
            t_relay();
            exit;
        }
        if (!loose_route()) {
            send_reply(404, "Not Found");
            exit;
        }
        if (!is_method("ACK"))
            async(pn_process_purr("location"), in_dialog);
        t_relay();
        exit;
    }
    if (is_method("REGISTER")) {
        save("location");
        exit;
    }
    record_route();
    lookup("location", "method-filtering");
    $var(found) = $rc;
    if ($var(found) == 1)
        t_relay();
    else if ($var(found) < 0)
        t_reply(404, "Not Found");
}

route[in_dialog] {
    t_relay();
}
"""

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
COLUMNS = {"phone": 6, "server": 36, "caller": 66}
PATIENCE = 10.0


class Ladder:
    """Prints arrows between three columns, with the milliseconds since the first message."""

    def __init__(self) -> None:
        self.start = 0.0
        head = [" "] * (max(COLUMNS.values()) + 6)
        for name, column in COLUMNS.items():
            head[column - 2:column - 2 + len(name)] = name
        print(f"{'':9}{''.join(head)}")

    def _stamp(self) -> str:
        now = time.monotonic()
        self.start = self.start or now
        return f"{(now - self.start) * 1000:6.1f} ms"

    def arrow(self, source: str, target: str, text: str) -> None:
        """One message."""
        left, right = sorted((COLUMNS[source], COLUMNS[target]))
        room = right - left - 2
        label = f" {text if len(text) <= room - 4 else text[:room - 5] + '…'} ".center(room, "-")
        shaft = f"{label}>" if COLUMNS[source] == left else f"<{label}"
        row = "".join("|" if i in COLUMNS.values() else " " for i in range(max(COLUMNS.values()) + 1))
        print(self._stamp() + row[:left + 1] + shaft + row[right:], flush=True)

    def note(self, text: str) -> None:
        """A remark between the messages."""
        print(f"{self._stamp()}{'':{COLUMNS['phone']}}· {text}", flush=True)


def first_line(text: str) -> str:
    """"INVITE", "200 OK (INVITE)"."""
    line = text.partition("\r\n")[0]
    method = re.search(r"^CSeq:\s*\d+\s+(\S+)", text, re.M | re.I)
    if line.startswith("SIP/2.0"):
        return f"{line[8:]} ({method[1] if method else '?'})"
    return line.partition(" ")[0]


def header(text: str, name: str) -> str:
    """First value of a header."""
    found = re.search(rf"^{name}:\s*(.*?)\r$", text, re.M | re.I)
    return found[1] if found else ""


def headers(text: str, name: str) -> str:
    """All lines of a header, as they stand."""
    return "".join(f"{match}\r\n" for match in re.findall(rf"^({name}:.*?)\r$", text, re.M | re.I))


class Agent:
    """A phone on a datagram socket."""

    def __init__(self, name: str, stream: Any, ladder: Ladder) -> None:
        self.name = name
        self.stream = stream
        self.ladder = ladder
        self.count = 0

    @property
    def address(self) -> str:
        return "%s:%d" % self.stream.sockname[:2]

    async def send(self, text: str, note: str = "") -> None:
        """Send to the server."""
        self.ladder.arrow(self.name, "server", first_line(text) + note)
        await self.stream.send(text.encode("latin-1"))

    async def receive(self, want: str) -> str:
        """The next message whose first line shows `want`; repeated ones are passed over."""
        while True:
            data, _ = await asyncio.wait_for(self.stream.recv(), PATIENCE)
            text = data.decode("latin-1")
            self.ladder.arrow("server", self.name, first_line(text))
            if want in first_line(text):
                return text

    def request(self, method: str, uri: str, to: str, call_id: str, cseq: int, more: str = "", body: str = "",
                sender: str = "") -> str:
        """A request of this agent."""
        self.count += 1
        length = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n" if body else "Content-Length: 0\r\n"
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.address};branch=z9hG4bK-{self.name}-{self.count}\r\n"
            f"Max-Forwards: 70\r\nFrom: {sender or f'<sip:{self.name}@127.0.0.1>'};tag={self.name}\r\nTo: {to}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{more}{length}\r\n{body}")

    async def answer(self, request: str, status: str, more: str = "", body: str = "") -> None:
        """A reply to a request."""
        to = header(request, "To")
        if "tag=" not in to:
            to += f";tag={self.name}"
        length = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n" if body else "Content-Length: 0\r\n"
        await self.send(
            f"SIP/2.0 {status}\r\n{headers(request, 'Via')}{headers(request, 'Record-Route')}From: {header(request, 'From')}\r\n"
            f"To: {to}\r\nCall-ID: {header(request, 'Call-ID')}\r\nCSeq: {header(request, 'CSeq')}\r\n{more}{length}\r\n{body}")


class Pushes:
    """What the server asks to be pushed, read from its log."""

    def __init__(self, stream: asyncio.StreamReader, ladder: Ladder) -> None:
        self.stream = stream
        self.ladder = ladder
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.log: list[str] = []

    async def read(self) -> None:
        """Follow the log to its end."""
        while line := await self.stream.readline():
            text = line.decode("latin-1").rstrip()
            self.log.append(text)
            if "PUSH " in text:
                await self.queue.put(text.partition("PUSH ")[2])

    async def heard(self) -> None:
        """Wait for the next push."""
        reason, _, provider = (await asyncio.wait_for(self.queue.get(), PATIENCE)).partition(" ")
        self.ladder.note(f"push through {provider} ({reason}): the phone wakes up")


def free_port() -> int:
    """A UDP port nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _ready(port: int, process: asyncio.subprocess.Process) -> None:
    """Wait until the server answers."""
    stream = await asyncio_dgram.connect(("127.0.0.1", port))
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.returncode is None:
            try:
                await stream.send(
                    f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {'%s:%d' % stream.sockname[:2]};"
                    f"branch=z9hG4bK-{time.monotonic_ns()}\r\nMax-Forwards: 70\r\nFrom: <sip:demo@127.0.0.1>;tag=1\r\n"
                    f"To: <sip:127.0.0.1>\r\nCall-ID: ready-{time.monotonic_ns()}\r\nCSeq: 1 OPTIONS\r\n"
                    "Content-Length: 0\r\n\r\n".encode())
                await asyncio.wait_for(stream.recv(), 0.2)
                return
            except (OSError, TimeoutError):
                # Nobody listens yet: a refused datagram comes back as an error at once.
                await asyncio.sleep(0.05)
    finally:
        stream.close()
    raise RuntimeError("the server did not start")


async def _play(port: int, pushes: Pushes, ladder: Ladder) -> None:
    """The story."""
    server = ("127.0.0.1", port)
    phone = Agent("phone", await asyncio_dgram.connect(server), ladder)
    caller = Agent("caller", await asyncio_dgram.connect(server), ladder)
    phone_uri = f"sip:phone@{phone.address}"
    coordinates = "pn-provider=fcm;pn-prid=device-token;pn-param=project-1"

    async def register(cseq: int) -> str:
        await phone.send(phone.request(
            "REGISTER", "sip:127.0.0.1", "<sip:phone@127.0.0.1>", "registration", cseq,
            f"Contact: <{phone_uri};{coordinates}>\r\nExpires: 600\r\n"), " pn-*")
        return await phone.receive("200")

    ok = await register(1)
    ladder.note("Feature-Caps: " + header(ok, "Feature-Caps"))
    purr = re.search(r'pnspurr="([^"]+)"', ok)
    ladder.note("the phone goes to sleep")

    await caller.send(caller.request(
        "INVITE", f"sip:phone@127.0.0.1:{port}", "<sip:phone@127.0.0.1>", "call", 1,
        f"Contact: <sip:caller@{caller.address}>\r\n", SDP))
    await caller.receive("100")
    ladder.note("the INVITE is held")
    await pushes.heard()
    await register(2)
    invite = await phone.receive("INVITE")
    await phone.answer(invite, "180 Ringing")
    await caller.receive("180")
    contact = f"<{phone_uri};pn-purr={purr[1]}>" if purr else f"<{phone_uri}>"
    await phone.answer(invite, "200 OK", f"Contact: {contact}\r\n", SDP)
    answer = await caller.receive("200")
    to, target = header(answer, "To"), header(answer, "Contact").strip("<>")
    route = headers(answer, "Record-Route").replace("Record-Route:", "Route:")
    await caller.send(caller.request("ACK", target, to, "call", 1, route))
    await phone.receive("ACK")
    ladder.note("they talk; the phone falls asleep again (its Contact carries pn-purr)")

    await caller.send(caller.request("BYE", target, to, "call", 2, route))
    await pushes.heard()
    await register(3)
    bye = await phone.receive("BYE")
    await phone.answer(bye, "200 OK")
    await caller.receive("200")
    for agent in (phone, caller):
        agent.stream.close()


async def _run() -> int:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="opensips-like-demo-") as folder:
        cfg = Path(folder, "demo.cfg")
        cfg.write_text(SCRIPT.replace("@PORT@", str(port)))
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "engine", "-F", "-f", str(cfg), "-w", folder, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env=environment)
        assert process.stderr is not None
        print(f"A push-capable registrar on 127.0.0.1:{port}; a phone that sleeps; a caller.\n")
        ladder = Ladder()
        pushes = Pushes(process.stderr, ladder)
        reader = asyncio.create_task(pushes.read())
        try:
            await _ready(port, process)
            await _play(port, pushes, ladder)
        except (OSError, RuntimeError, TimeoutError) as error:
            print(f"\nThe demo stopped: {error or type(error).__name__}. The server said:")
            print("\n".join(pushes.log[-20:]) or "(nothing)")
            return 1
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()
            await reader
    print("\nThe script that did it is scripts/pn_registrar.cfg in short; docs/tour.md follows one call through the code.")
    return 0


def main() -> int:
    """Play the story; 0 when every message came."""
    return asyncio.run(_run())
