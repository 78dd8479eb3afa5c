"""Whether a registration costs the same among a thousand, a hundred thousand and a million others.

    python -m tests.bench.bench_scale [--sizes 1000,100000,1000000] [--samples 4000] [--no-start]

Every contact comes by a REGISTER through receive(). At each size: memory per contact (growth of the process), CPU of a
REGISTER of a new user, of a refresh and of a lookup() of users drawn at random (medians, messages one by one), then how long a
server takes to start on an SQLite table of that size. In the end all contacts expire in one second; what counts is the longest
time the event loop is held up meanwhile. CPU time, so other work on the machine does not show, but for its traces in the caches.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from engine.db.interface import Upsert
from engine.server.dbtool import create
from modules.usrloc.pages import collapse
from tests.bench.bench_contacts import resident
from tests.bench.bench_path import register
from tests.helpers import Harness

SCRIPT = """
log_level=2
socket=udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "sipmsgops.so"
{db}
loadmodule "usrloc.so"
{mode}
loadmodule "registrar.so"
route {{
    if (is_method("REGISTER")) {{
        save("location");
        exit;
    }}
    if (lookup("location"))
        exit;
    sl_send_reply(404, "Not Found");
}}
"""
HOUR = 3600


def lookup(number: int) -> str:
    """A request for a user, which the script only looks up."""
    return (
        f"OPTIONS sip:user{number}@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5071;branch=z9hG4bK-l{number}\r\n"
        f"From: <sip:caller@127.0.0.1:5060>;tag={number}\r\nTo: <sip:user{number}@127.0.0.1:5060>\r\n"
        f"Call-ID: look-{number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n")


class Scale:
    """One server that fills up."""

    def __init__(self, seed: int = 1) -> None:
        self.harness = Harness(SCRIPT.format(db="", mode=""))
        self.random = random.Random(seed)
        self.usrloc: Any = self.harness.server.registry.get("usrloc")
        self.table: Any = self.usrloc.domain("location")
        self._cseq = 1
        self._strangers = 1_000_000_000
        self._receive = self.harness.server.receiver.receive
        self._socket = self.harness.server.sockets.all[0]

    def feed(self, texts: list[str]) -> float:
        """Median CPU microseconds of these messages."""
        times: list[float] = []

        def work() -> None:
            for text in texts:
                data = text.encode()
                start = time.thread_time_ns()
                self._receive(data, "127.0.0.1", 5071, self._socket, None)
                times.append((time.thread_time_ns() - start) / 1000)
                self.harness.sent.clear()

        self.harness.call(work)
        return statistics.median(times)

    def fill(self, size: int) -> None:
        """Register users until there are that many."""
        while (first := self.table.contact_count) < size:
            self.feed([register(number) for number in range(first, min(size, first + 20_000))])
        # As a server does with its timer.
        collapse()

    def _forget(self) -> None:
        """Ask for users nobody knows: the last few thousand URIs are kept parsed, which is all of a small table."""
        self._strangers += 10_000
        self.feed([lookup(number) for number in range(self._strangers, self._strangers + 10_000)])

    def measure(self, samples: int) -> tuple[float, float, float]:
        """Microseconds: new user, refresh, lookup."""
        count = self.table.contact_count
        self._cseq += 1
        self._forget()
        new = self.feed([register(number) for number in range(count, count + samples)])
        drawn = self.random.sample(range(count), min(samples, count))
        again = [register(number).replace("CSeq: 1 ", f"CSeq: {self._cseq} ") for number in drawn]
        self._forget()
        refresh = self.feed(again)
        self._forget()
        found = self.feed([lookup(number) for number in drawn])
        assert self.table.contact_count == count + samples
        return new, refresh, found

    def expire(self) -> tuple[float, float]:
        """CPU seconds until all have expired, and the longest time in milliseconds the loop was held up."""
        longest = 0.0
        running = True

        async def watch() -> None:
            nonlocal longest
            before = time.thread_time()
            while running:
                await asyncio.sleep(0)
                now = time.thread_time()
                longest = max(longest, now - before)
                before = now

        async def whole() -> None:
            nonlocal running
            watcher = asyncio.get_running_loop().create_task(watch())
            end = self.harness.server.timers.now() + HOUR + 200
            while self.harness.server.timers.now() < end:
                self.harness.server.timers.advance(self.harness.server.timers.now() + 30)
                while self.harness.server.workers.parked:
                    await asyncio.sleep(0)
            running = False
            await watcher

        start = time.thread_time()
        self.harness.loop.run_until_complete(whole())
        assert self.table.contact_count == 0, self.table.contact_count
        return time.thread_time() - start, longest * 1000


def start_up(scale: Scale, folder: Path) -> tuple[float, float]:
    """(wall, CPU) seconds a server takes to start on an SQLite table with what this one has."""
    url = f"sqlite://{folder}/scale.sqlite"
    asyncio.run(create(url, False))
    script = SCRIPT.format(db='loadmodule "db_sqlite.so"', mode=(
        'modparam("usrloc", "working_mode_preset", "single-instance-sql-write-back")\n'
        f'modparam("usrloc", "db_url", "{url}")\nmodparam("usrloc", "regen_broken_contactid", 0)'))
    with Harness(script) as empty:
        usrloc: Any = empty.server.registry.get("usrloc")
        rows: list[tuple[Any, ...]] = []
        for record in scale.table.records():
            rows += [usrloc._rows.row(record, contact) for contact in record.contacts]
            if len(rows) >= 5000:
                empty._do(usrloc._connection.batch([Upsert("location", usrloc._rows.columns, rows, ("contact_id",))]))
                rows = []
        if rows:
            empty._do(usrloc._connection.batch([Upsert("location", usrloc._rows.columns, rows, ("contact_id",))]))
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    with Harness(script) as loaded:
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        again: Any = loaded.server.registry.get("usrloc")
        table: Any = again.domain("location")
        assert table.contact_count == scale.table.contact_count, table.contact_count
    return wall, cpu


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,100000,1000000")
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--no-start", action="store_true", help="leave out the start on SQLite")
    args = parser.parse_args()
    scale = Scale()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    # Caches of URIs are warm and the allocator has its pools before anything is counted.
    scale.fill(1000)
    scale.measure(args.samples)
    scale.expire()
    memory = resident()
    for size in map(int, args.sizes.split(",")):
        scale.fill(size)
        used = (resident() - memory) / size
        new, refresh, found = scale.measure(args.samples)
        line = (
            f"{size:>9} contacts: {used:5.0f} bytes each, REGISTER new {new:5.1f} µs, refresh {refresh:5.1f} µs,"
            f" lookup {found:5.1f} µs")
        if not args.no_start:
            with tempfile.TemporaryDirectory() as name:
                wall, cpu = start_up(scale, Path(name))
            line += f", start {wall:.2f} s ({cpu:.2f} s CPU)"
        print(line, flush=True)
    count = scale.table.contact_count
    spent, longest = scale.expire()
    print(f"{count:>9} contacts expire in {spent:.2f} s CPU, the loop is held up {longest:.1f} ms at most")
    scale.harness.close()


if __name__ == "__main__":
    main()
