"""Kill the server in the middle of its work, again and again, and look whether every registration it answered is still there.

    python -m tests.crash.campaign --kills 200 --db sqlite [--rate 500] [--mode write-through]

Phones register, refresh and remove themselves over UDP; at a random moment the server gets SIGKILL and is started again on the
same database. Then its ul_dump is held against what the phones were told:

- write-through: what was answered with 200 is there as answered, what was removed is not, nothing is there twice, nothing has
  outlived its expiry. A request that was under way when the server died may or may not have happened.
- write-back: the same, but what was answered within the last timer_interval may be missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.database_servers import DatabaseServer, Maria, Postgres, free_port

ROOT = Path(__file__).parent.parent.parent
SCRIPT = """
log_level=2
stderror_enabled=yes
syslog_enabled=no
socket=udp:127.0.0.1:{sip}
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "{driver}.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "httpd.so"
loadmodule "mi_http.so"
modparam("httpd", "ip", "127.0.0.1")
modparam("httpd", "port", {http})
modparam("usrloc", "working_mode_preset", "single-instance-sql-{mode}")
modparam("usrloc", "db_url", "{url}")
modparam("usrloc", "timer_interval", 1)
modparam("registrar", "min_expires", 1)
route {{ save("location"); }}
"""
INTERVAL = 1.0
"""timer_interval of the script."""
SLACK = 0.5
"""Seconds a flush may take."""
USERS = 1000
WINDOW = 60
"""Requests under way at a time."""
BRIEF = 2
"""Lifetime of some registrations."""
REPEAT = 0.5
"""Seconds until a request without an answer is sent again."""


@dataclass
class Binding:
    """What the phone of one contact knows."""

    user: str
    contact: str
    callid: str
    cseq: int = 0
    there: bool = False
    """As of the last answer."""
    until: float = 0.0
    """When it expires."""
    answered: float = 0.0
    """When the last answer came."""
    stored: int = 0
    """CSeq of the request answered last."""
    under_way: tuple[int, int] | None = None
    """What a request without an answer asked for: lifetime, and its CSeq."""


@dataclass
class Findings:
    """What came out."""

    kills: int = 0
    answers: int = 0
    checked: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    seconds: float = 0.0
    complaints: Counter[str] = field(default_factory=Counter)
    """Lines of the server's log."""

    def fault(self, kind: str, binding: str) -> None:
        """Note something that must not be."""
        self.wrong[kind] += 1
        if len(self.examples) < 10:
            self.examples.append(f"{kind}: {binding}")

    def __str__(self) -> str:
        starts = sorted(self.starts)
        return (
            f"{self.kills} kills, {self.answers} answers ({self.answers / max(self.seconds, 0.001):.0f} a second), {self.checked}"
            f" contacts checked, start {statistics.median(starts):.2f} s (longest {starts[-1]:.2f} s); wrong:"
            f" {dict(self.wrong) or 'nothing'}{''.join(chr(10) + '  ' + one for one in self.examples)}"
            + "".join(f"\n  log, {count} times: {line}" for line, count in self.complaints.most_common(5))
        )


class Phones(asyncio.DatagramProtocol):
    """All phones behind one socket."""

    def __init__(self, port: int, seed: int) -> None:
        self.random = random.Random(seed)
        self._port = port
        self._transport: asyncio.DatagramTransport | None = None
        self.bindings = [
            Binding(f"user{number}", f"sip:user{number}@127.0.0.1:{9000 + device}", f"call-{number}-{device}")
            for number in range(USERS) for device in range(1 + number % 2)
        ]
        self._waiting: dict[str, tuple[Binding, asyncio.Future[None], int]] = {}
        self._number = 0
        self.answers = 0
        self.refused = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def error_received(self, error: Exception) -> None:
        """The server is away: the request is sent again."""

    async def register(self) -> None:
        """Let one phone that is at leisure send a REGISTER, and wait for the answer."""
        binding = self.random.choice(self.bindings)
        if binding.under_way is not None:
            return
        chance = self.random.random()
        lifetime = 0 if chance < 0.15 and binding.there else BRIEF if chance < 0.2 else 600
        self._number += 1
        branch = f"z9hG4bK{self._number}"
        binding.cseq += 1
        binding.under_way = (lifetime, binding.cseq)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[branch] = (binding, done, lifetime)
        assert self._transport is not None
        port = self._transport.get_extra_info("sockname")[1]
        text = (
            f"REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch={branch}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:{binding.user}@127.0.0.1>;tag=a\r\nTo: <sip:{binding.user}@127.0.0.1>\r\nCall-ID: {binding.callid}\r\n"
            f"CSeq: {binding.cseq} REGISTER\r\nContact: <{binding.contact}>;expires={lifetime}\r\nContent-Length: 0\r\n\r\n"
        )
        try:
            while not done.done():
                self._transport.sendto(text.encode(), ("127.0.0.1", self._port))
                await asyncio.wait({done}, timeout=REPEAT)
        finally:
            self._waiting.pop(branch, None)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """An answer."""
        text = data.decode()
        branch = text.partition("branch=")[2].partition("\r\n")[0].partition(";")[0]
        binding, done, lifetime = self._waiting.get(branch, (None, None, 0))
        if binding is None or done is None or done.done() or binding.under_way is None:
            return
        if not text.startswith("SIP/2.0 200"):
            self.refused += 1
        else:
            self.answers += 1
            binding.stored = binding.cseq
            binding.there = lifetime > 0
            binding.until = time.time() + lifetime
            binding.answered = time.time()
        binding.under_way = None
        done.set_result(None)

    def adopt(self, found: dict[str, tuple[int, int]]) -> None:
        """The state of the server is the truth from now on."""
        for binding in self.bindings:
            seen = found.get(binding.contact)
            binding.there = seen is not None
            binding.under_way = None
            if seen is not None:
                binding.stored = seen[0]
                binding.until = time.time() + seen[1]


class Campaign:
    """One server on one database, killed again and again. rate: REGISTERs a second, 0: as many as are answered."""

    def __init__(self, folder: Path, url: str, mode: str, rate: float, seed: int, sip: int = 0, http: int = 0) -> None:
        self.findings = Findings()
        self._folder = folder
        self._mode = mode
        self._rate = rate
        self._random = random.Random(seed)
        self.sip, self._http = sip or free_port(), http or free_port()
        scheme = url.partition(":")[0]
        self._cfg = folder / "crash.cfg"
        self._cfg.write_text(SCRIPT.format(sip=self.sip, http=self._http, driver=f"db_{scheme}", mode=mode, url=url))
        self._seed = seed
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    def use_script(self, routes: str) -> None:
        """Other routes than the registrar's."""
        head, _, _ = self._cfg.read_text().partition("route {")
        self._cfg.write_text(head + 'loadmodule "sipmsgops.so"\n' + routes + "\n")

    async def start(self) -> None:
        """Start the server and wait until it answers."""
        start = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "engine", "-F", "-f", os.fspath(self._cfg), cwd=ROOT, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None
        up = asyncio.get_running_loop().create_future()

        async def read(stream: asyncio.StreamReader) -> None:
            while line := (await stream.readline()).decode().rstrip():
                if "is up, listening" in line and not up.done():
                    up.set_result(None)
                elif any(word in line for word in ("WARNING", "ERROR", "CRITICAL")):
                    self.findings.complaints[line.partition("] ")[2][:200]] += 1
            if not up.done():
                up.set_exception(RuntimeError("the server does not start"))

        self._reading = asyncio.create_task(read(self._process.stderr))
        # log_level 2 hides the line that says so: ask until somebody answers.
        while not up.done() and self._process.returncode is None:
            try:
                await asyncio.to_thread(self.mi, "which")
                break
            except OSError:
                await asyncio.wait({up}, timeout=0.02)
        if up.done():
            up.result()
        else:
            up.cancel()
        self.findings.starts.append(time.monotonic() - start)

    def mi(self, command: str) -> Any:
        """The result of an MI command; raises OSError when the server is not there. To be called in a thread."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": command}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._http}/mi", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read())["result"]

    async def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None and self._reading is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await self._reading

    async def run(self, kills: int, least: int, most: int) -> Findings:
        """Kill that often, each time after a random number of answers between these two."""
        loop = asyncio.get_running_loop()
        transport, phones = await loop.create_datagram_endpoint(
            lambda: Phones(self.sip, self._seed), local_addr=("127.0.0.1", 0))
        try:
            await self.start()
            for _ in range(kills):
                await self._load(phones, self._random.randint(least, most))
                self.findings.kills += 1
                await self.start()
                self._check(phones, await asyncio.to_thread(self.mi, "ul_dump"))
        finally:
            transport.close()
            if self._process is not None and self._process.returncode is None:
                await self.kill()
        self.findings.answers = phones.answers
        if phones.refused:
            self.findings.wrong["refused"] += phones.refused
        return self.findings

    async def _load(self, phones: Phones, count: int) -> None:
        """Register until there are that many answers more, then kill."""
        start = time.monotonic()
        end = phones.answers + count
        sent = 0

        async def worker() -> None:
            nonlocal sent
            while phones.answers < end:
                sent += 1
                ahead = start + sent / self._rate - time.monotonic() if self._rate else 0.0
                await (asyncio.sleep(ahead) if ahead > 0 else asyncio.sleep(0))
                await phones.register()

        workers = [asyncio.create_task(worker()) for _ in range(WINDOW)]
        await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
        self._killed = time.time()
        await self.kill()
        self.findings.seconds += time.monotonic() - start
        for one in workers:
            one.cancel()
        for outcome in await asyncio.gather(*workers, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def _check(self, phones: Phones, dump: dict[str, Any]) -> None:
        """Hold the server's table against what the phones know."""
        findings, now = self.findings, time.time()
        found: dict[str, tuple[int, int]] = {}
        for record in dump["Domains"][0]["AORs"]:
            for contact in record["Contacts"]:
                uri, expires = contact["Contact"], contact["Expires"]
                if uri in found:
                    findings.fault("duplicate", f"{record['AOR']} {uri}")
                if expires == "expired":
                    continue
                if not isinstance(expires, int) or expires > 601:
                    findings.fault("odd expiry", f"{uri} {expires}")
                    continue
                found[uri] = (contact["Cseq"], expires)
        for binding in phones.bindings:
            findings.checked += 1
            seen = found.get(binding.contact)
            if seen is not None and binding.there and binding.until + 2 < now and binding.under_way is None:
                findings.fault("stale", f"{binding}")
                continue
            if binding.there and binding.until <= now + 2 and binding.under_way is None:
                # It may just have expired, or not quite.
                continue
            allowed = {(binding.there, binding.stored)}
            if binding.under_way is not None:
                lifetime, cseq = binding.under_way
                allowed.add((lifetime > 0, cseq))
                if lifetime < BRIEF + 1:
                    # It may have happened and be over.
                    allowed.add((False, cseq))
            if self._mode == "write-back" and binding.answered > self._killed - INTERVAL - SLACK:
                continue
            if not any(seen is None if not there else seen is not None and seen[0] == cseq for there, cseq in allowed):
                if binding.under_way is not None and binding.until <= now + 2 and seen is None:
                    continue
                kind = "lost" if seen is None else "came back" if not binding.there else "old state"
                findings.fault(kind, f"{binding} but {seen}")
        phones.adopt(found)


def main() -> int:
    """Run and report; 1 when something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--db", choices=("sqlite", "postgres", "mysql"), default="sqlite")
    parser.add_argument("--rate", type=float, default=500.0, help="REGISTERs a second, 0: as fast as they are answered")
    parser.add_argument("--mode", choices=("write-through", "write-back"), default="write-through")
    parser.add_argument("--longest", type=float, default=2.0, help="seconds between start and kill, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ports", type=int, default=0, help="first of three ports to use, 0: any")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        findings = campaign(
            Path(name), args.db, args.mode, args.rate, args.kills, round(args.rate * 0.2) or 100,
            round(args.rate * args.longest) or 1000, args.seed, args.ports)
    print(findings)
    return 1 if findings.wrong else 0


def campaign(
    folder: Path, database: str, mode: str, rate: float, kills: int, least: int, most: int, seed: int = 1, ports: int = 0,
) -> Findings:
    """A whole campaign on a new database."""
    from engine.server.dbtool import create

    server: DatabaseServer | None = None
    if database == "sqlite":
        url = f"sqlite://{folder}/crash.sqlite"
    else:
        server = (Postgres if database == "postgres" else Maria)(ports and ports + 2)
        url = server.url("crash")
    try:
        asyncio.run(create(url, False))
        one = Campaign(folder, url, mode, rate, seed, ports, ports and ports + 1)
        return asyncio.run(one.run(kills, least, most))
    finally:
        if server is not None:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
