"""Stop the database for some seconds under load: who waits, and is everything written when it is back?

    python -m tests.crash.stall [--db postgres] [--seconds 5] [--rate 200]

The processes of a real database server get SIGSTOP, so connections stay open and nothing answers. Meanwhile phones register
(write-through) and others send OPTIONS, which the script answers without the database. Printed: the longest time an OPTIONS and a
REGISTER waited before, during and after; what was written in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from engine.db.url import parse_db_url
from engine.server.core import Server
from engine.server.dbtool import create
from tests.crash.campaign import Campaign, Phones
from tests.database_servers import Maria, Postgres

PHASES = ("before", "stopped", "after")


class Asker(asyncio.DatagramProtocol):
    """Sends OPTIONS and notes how long the answers take."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sent: dict[str, tuple[float, str]] = {}
        self.longest: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self.answers = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, phase: str) -> None:
        """One OPTIONS."""
        branch = f"z9hG4bKo{len(self._sent)}"
        self._sent[branch] = (time.monotonic(), phase)
        port = self._transport.get_extra_info("sockname")[1]
        self._transport.sendto((
            f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch={branch}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:b@127.0.0.1>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\n"
            "Content-Length: 0\r\n\r\n").encode(), ("127.0.0.1", self._port))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        branch = data.decode().partition("branch=")[2].partition("\r\n")[0].partition(";")[0]
        start, phase = self._sent[branch]
        self.answers += 1
        self.longest[phase] = max(self.longest[phase], time.monotonic() - start)


async def stall(database: str, seconds: float, rate: float, folder: Path, ports: int) -> tuple[str, bool]:
    """A report, and whether all was well."""
    server = (Postgres if database == "postgres" else Maria)(ports and ports + 2)
    try:
        url = server.url("crash")
        await create(url, False)
        one = Campaign(folder, url, "write-through", rate, 1, ports, ports and ports + 1)
        one.use_script('route { if (is_method("OPTIONS")) sl_send_reply(200, "OK"); else save("location"); }')
        await one.start()
        loop = asyncio.get_running_loop()
        transport, phones = await loop.create_datagram_endpoint(lambda: Phones(one.sip, 1), local_addr=("127.0.0.1", 0))
        second, asker = await loop.create_datagram_endpoint(lambda: Asker(one.sip), local_addr=("127.0.0.1", 0))
        longest = dict.fromkeys(PHASES, 0.0)
        phase = PHASES[0]
        start = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()

        async def one_register() -> None:
            began, of = time.monotonic(), phase
            await phones.register()
            longest[of] = max(longest[of], time.monotonic() - began)

        ends = {"before": 2.0, "stopped": 2.0 + seconds, "after": 2.0 + seconds + 8.0}
        number = 0
        while phase:
            passed = time.monotonic() - start
            if passed > ends[phase]:
                if phase == "before":
                    server.pause(True)
                elif phase == "stopped":
                    server.pause(False)
                else:
                    break
                phase = PHASES[PHASES.index(phase) + 1]
            task = loop.create_task(one_register())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            asker.ask(phase)
            number += 1
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
        await asyncio.gather(*tasks)
        await asyncio.to_thread(one.mi, "ul_flush")
        dump = await asyncio.to_thread(one.mi, "ul_dump")
        memory = {
            contact["Contact"]: contact["Cseq"] for record in dump["Domains"][0]["AORs"] for contact in record["Contacts"]
            if contact["Expires"] != "expired"
        }
        await one.kill()
        helper = Server()
        driver: Any = helper.registry.load(f"db_{database}.so")
        helper.registry.resolve()
        helper.registry.init_all()
        connection = await driver.connect(parse_db_url(url))
        rows = {uri: cseq for uri, cseq, expires in await connection.query("location", ["contact", "cseq", "expires"])
                if expires > time.time() + 5}
        await connection.close()
        transport.close()
        second.close()
        missing = [uri for uri, cseq in memory.items() if rows.get(uri) != cseq and phones_long(phones, uri)]
        extra = [uri for uri in rows if uri not in memory]
        lines = [f"{database} stopped for {seconds:g} s at {rate:g} REGISTERs and as many OPTIONS a second"]
        for name in PHASES:
            lines.append(
                f"  {name:8} longest OPTIONS {asker.longest[name] * 1000:6.0f} ms,"
                f" longest REGISTER {longest[name] * 1000:6.0f} ms")
        lines.append(
            f"  {number - asker.answers} OPTIONS without answer; {len(rows)} rows, {len(missing)} missing, {len(extra)} too many")
        lines += [f"  log: {line}" for line in one.findings.complaints]
        return "\n".join(lines), not missing and not extra and number == asker.answers and asker.longest["stopped"] < 0.5
    finally:
        server.stop()


def phones_long(phones: Phones, uri: str) -> bool:
    """Whether the last registration of a contact was one of those that last."""
    return any(one.contact == uri and one.until > time.time() + 10 for one in phones.bindings)


def main() -> int:
    """Run and report; 1 when something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", choices=("postgres", "mysql"), default="postgres")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--ports", type=int, default=0, help="first of three ports to use, 0: any")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        text, well = asyncio.run(stall(args.db, args.seconds, args.rate, Path(name), args.ports))
    print(text)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
