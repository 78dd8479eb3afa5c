"""Loads a server is to bear: a steady one, one over a network that loses messages, and twice what it can do.

    python -m tests.bench.load [steady] [loss] [overload] [--rate 1000] [--seconds 300] [--capacity 0] [--compiled]

steady     --rate calls a second for --seconds: none may fail
loss       a tenth of that rate for a fifth of the time, SIPp loses 5 % of what it sends and receives: every call completes through
           retransmission
overload   twice the load the server can bear (--capacity; 0: what it does flat out, measured first) for 15 s; 5 s later 100 calls
           a second must all succeed, and once the transactions are gone the memory is that from before

SIPp plays both ends on loopback (Debian: sip-tester). Exit status 0: all as it should be. The figures depend on the machine, the
verdicts should not; nothing of this runs in `make test`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bench.run import FAST, HERE, NOBODY_ANSWERS, ROOT, answers, cpu_seconds, free_port, rss_mb, run_load, sipp

AFTER_OVERLOAD = 5.0
BUFFER = "4194304"
"""Bytes of every socket's buffer: a pause of one of the three processes is not to lose datagrams on loopback."""
RECEIVE = "35000"
"""Milliseconds a caller waits for a message: longer than any retransmission of the other side."""
LINGER = 45.0
"""Seconds until the transactions of an overload are gone: timer B of those nobody answered, and the wait after it."""


class Outcome(NamedTuple):
    """What became of a load."""

    calls: int
    failed: int
    cpu: float
    wall: float

    def line(self, name: str) -> str:
        """For the report."""
        each = self.cpu / self.calls * 1e6 if self.calls else 0.0
        return (f"{name:<10} {self.calls} calls, {self.failed} failed, {self.calls / self.wall:.0f} calls/s, "
                f"{self.cpu / self.wall * 100:.0f} % of a core, {each:.0f} µs/call")


class Bench:
    """A server, a called phone, and callers."""

    def __init__(self, folder: str, port: int, pid: int) -> None:
        self.folder = folder
        self.port = port
        self.pid = pid
        self.phone_port = 0

    @contextlib.contextmanager
    def phone(self, *more: str) -> Iterator[None]:
        """A phone that answers every call, registered."""
        self.phone_port = free_port()
        run_load(sipp("register_one.xml", f"127.0.0.1:{self.port}", "-m", "1", "-s", "callee", "-p", str(self.phone_port)),
                 self.folder, 30)
        phone = subprocess.Popen(
            sipp("uas.xml", "-p", str(self.phone_port), "-s", "callee", "-buff_size", BUFFER, *more), cwd=self.folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            phone.terminate()
            phone.wait()

    def call(self, rate: int, calls: int, *more: str) -> Outcome:
        """So many calls at that rate."""
        before, start = cpu_seconds(self.pid), time.monotonic()
        done = subprocess.run(
            sipp("uac.xml", f"127.0.0.1:{self.port}", "-s", "callee", "-m", str(calls), "-r", str(rate), "-l", "100000",
                 "-p", str(free_port()), "-recv_timeout", RECEIVE, "-buff_size", BUFFER, "-timeout", f"{60 + calls // rate * 3}s", *more),
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True, errors="replace")
        wall = time.monotonic() - start
        good = int((re.findall(r"Successful call\s*\|\s*\d+\s*\|\s*(\d+)", done.stdout) or ["0"])[-1])
        return Outcome(calls, calls - good, cpu_seconds(self.pid) - before, wall)


@contextlib.contextmanager
def running(folder: str, compiled: bool) -> Iterator[Bench]:
    """The server on the benchmark's script."""
    port = free_port()
    cfg = Path(folder, "load.cfg")
    cfg.write_text(f"maxbuffer={BUFFER}\n" + (HERE / "script.cfg").read_text().replace("@PORT@", str(port)).replace("@MPATH@", ""))
    environment = {**os.environ, "PYTHONPATH": str(FAST if compiled else ROOT)}
    with open(Path(folder, "server.log"), "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "engine", "-F", "-f", str(cfg)], cwd=folder, stdout=log, stderr=log, env=environment)
        try:
            deadline = time.monotonic() + NOBODY_ANSWERS
            while not answers(port):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the server did not start: {Path(folder, 'server.log').read_text(errors='replace')[-800:]}")
            yield Bench(folder, port, server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)


def steady(bench: Bench, args: argparse.Namespace) -> bool:
    """The rate, for the time."""
    with bench.phone():
        outcome = bench.call(args.rate, args.rate * args.seconds)
    print(outcome.line("steady"), flush=True)
    return outcome.failed == 0


def loss(bench: Bench, args: argparse.Namespace) -> bool:
    """Over a bad network."""
    rate = max(1, args.rate // 10)
    with bench.phone("-lost", "5"):
        outcome = bench.call(rate, max(1, rate * args.seconds // 5), "-lost", "5")
    print(outcome.line("loss 5 %"), flush=True)
    return outcome.failed == 0


def overload(bench: Bench, args: argparse.Namespace) -> bool:
    """Twice what it can do, and what is left of that."""
    with bench.phone():
        warm = bench.call(200, 1000)
        capacity = args.capacity or int(warm.calls / warm.cpu)
        before = rss_mb(bench.pid)
        heavy = bench.call(2 * capacity, 2 * capacity * 15)
    print(heavy.line("overload") + f" (offered {2 * capacity} calls/s)", flush=True)
    time.sleep(AFTER_OVERLOAD)
    with bench.phone():
        after = bench.call(100, 500)
    print(after.line("after it"), flush=True)
    time.sleep(LINGER)
    left = rss_mb(bench.pid)
    with bench.phone():
        again = bench.call(2 * capacity, 2 * capacity * 15)
    time.sleep(LINGER)
    second = rss_mb(bench.pid)
    print(f"memory     {before:.0f} MB before, {left:.0f} MB after, {second:.0f} MB after a second time ({again.failed} failed)")
    return after.failed == 0 and second <= left * 1.1


PARTS = {"steady": steady, "loss": loss, "overload": overload}


def main() -> int:
    """Run the parts asked for, all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--capacity", type=int, default=0)
    parser.add_argument("--compiled", action="store_true", help="the copy that `make fast` makes")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if not shutil.which("sipp"):
        print("SIPp is missing (Debian: apt install sip-tester); nothing measured")
        return 1
    good = True
    for name in args.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="load-") as folder, running(folder, args.compiled) as bench:
            verdict = PARTS[name](bench, args)
            print(f"{name}: {'as it should be' if verdict else 'NOT as it should be'}", flush=True)
            good = good and verdict
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
