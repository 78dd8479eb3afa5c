"""Memory per registration, and that all of it is given back: many users register, expire, and others come.

    python -m tests.bench.bench_contacts [--contacts 100000] [--rounds 2]

Every REGISTER goes through receive() and the benchmark's script, from a user of its own. Memory is the growth of the
process (RSS) divided by the contacts; "left" is what stays after they have expired, counted in the interpreter's blocks, which
is exact, where RSS keeps what the allocator keeps for the next round. Time is virtual, so an hour passes at once.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from pathlib import Path

from tests.bench.bench_path import Line, register
from tests.helpers import Harness

WARM = 10_000
"""Registrations before anything is counted: as many as the URI cache keeps, and some more."""
HOUR = 3600
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Bytes of memory this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def blocks() -> int:
    """Pieces of memory the interpreter has given out."""
    gc.collect()
    return sys.getallocatedblocks()


class Rounds:
    """Fills and empties the location table."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.line = Line(harness, None, "")
        self.table = harness.server.registry.get("usrloc").domain("location")

    def fill(self, first: int, count: int) -> float:
        """Register that many users; CPU seconds per REGISTER."""
        self.line.seconds.clear()

        def work() -> None:
            for number in range(first, first + count):
                self.line.feed("REGISTER", register(number), 5071)

        self.harness.call(work)
        assert self.table.contact_count == count, f"{self.table.contact_count} contacts instead of {count}"
        return self.line.seconds["REGISTER"] / count

    def expire(self) -> float:
        """Let all of them expire; CPU seconds."""
        start = time.thread_time()
        self.harness.advance(HOUR + 120)
        assert self.table.contact_count == 0 and self.table.record_count == 0
        return time.thread_time() - start


def main() -> None:
    """Print the figures of each round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    text = (Path(__file__).parent / "script.cfg").read_text().replace("@PORT@", "5060").replace("@MPATH@", "")
    count = args.contacts
    with Harness(text) as harness:
        rounds = Rounds(harness)
        rounds.fill(1, WARM)
        rounds.expire()
        memory, pieces = resident(), blocks()
        for number in range(1, args.rounds + 1):
            seconds = rounds.fill(number * 10_000_000, count)
            full, held = resident(), blocks()
            gone = rounds.expire()
            empty, left = resident(), blocks()
            print(
                f"round {number}: {count} contacts, {seconds * 1e6:.1f} µs each, RSS +{(full - memory) / 2**20:.1f} MB ="
                f" {(full - memory) / count:.0f} bytes a contact ({(held - pieces) / count:.1f} blocks);"
                f" expired in {gone * 1e3:.0f} ms, RSS +{(empty - memory) / 2**20:.1f} MB, blocks left {left - pieces:+d}")


if __name__ == "__main__":
    main()
