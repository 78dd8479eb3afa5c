"""The statistics of the core: message counters, and what monitoring expects of a process under names of OpenSIPS.

Memory pools have no meaning here; shmem reports the resident size of the process so that graphs show something true, the
groups of OpenSIPS keep their names.
"""

from __future__ import annotations

import os
import resource
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from engine.stats import Statistic

if TYPE_CHECKING:
    from engine.server.core import Server

_COUNTERS: Final = (
    "rcv_requests", "rcv_replies", "fwd_requests", "fwd_replies", "drop_requests", "drop_replies", "err_requests", "err_replies",
    "bad_URIs_rcvd", "bad_msg_hdr", "slow_messages",
)
_PROCESS: Final = 1
"""Statistics of processes are reported for one: the first that receives, which is the only one there is."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def resident_size() -> int:
    """Bytes of memory the process occupies now."""
    try:
        with open("/proc/self/statm", "rb") as facts:
            return int(facts.read().split()[1]) * _PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def physical_size() -> int:
    """Bytes of memory of the machine."""
    return os.sysconf("SC_PHYS_PAGES") * _PAGE


def waiting_bytes(server: Server, proto: str) -> int:
    """Bytes that have arrived for our sockets of a protocol and wait in the kernel."""
    ports = {socket.port for socket in server.sockets.all if socket.proto == proto}
    total = 0
    for table in (f"/proc/net/{'udp' if proto == 'udp' else 'tcp'}{version}" for version in ("", "6")):
        if not ports:
            break
        try:
            with open(table, encoding="ascii") as lines:
                next(lines)
                for line in lines:
                    words = line.split()
                    if int(words[1].rpartition(":")[2], 16) in ports and words[3] != "0A":
                        total += int(words[4].partition(":")[2], 16)
        except OSError:
            continue
    return total


class Load:
    """How busy the process is: its CPU time against the clock, in percent, over the last tick, minute and ten minutes."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, float]] = [(time.monotonic(), time.process_time())]

    def sample(self) -> None:
        """To be called every second."""
        self._samples.append((time.monotonic(), time.process_time()))
        if len(self._samples) > 700:
            del self._samples[:100]

    def percent(self, seconds: float) -> int:
        """Busy percent of the last so many seconds."""
        now, used = time.monotonic(), time.process_time()
        since = self._samples[0]
        for sample in reversed(self._samples):
            since = sample
            if now - sample[0] >= seconds:
                break
        elapsed = now - since[0]
        return min(100, int(100 * (used - since[1]) / elapsed)) if elapsed > 0 else 0


def _count_of(item: Statistic) -> int:
    return item.count


def register_core_stats(server: Server) -> Load:
    """Make the groups core, net, shmem, pkmem, rpmem, load and dns; gives back what wants a call every second."""
    stats = server.stats
    for name in _COUNTERS:
        stats.counter("core", name)
    stats.register("core", "timestamp", lambda: int(server.now() - server.started_at))
    for proto in ("udp", "tcp", "tls"):
        stats.register("net", f"waiting_{proto}", lambda proto=proto: waiting_bytes(server, proto))  # type: ignore[misc]
    for group, prefix in (("shmem", ""), ("rpmem", "rpm_")):
        own = group == "shmem"
        stats.register(group, prefix + "total_size", physical_size if own else lambda: 0)
        stats.register(group, prefix + "used_size", resident_size if own else lambda: 0)
        stats.register(group, prefix + "real_used_size", resident_size if own else lambda: 0)
        stats.register(
            group, prefix + "max_used_size",
            (lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) if own else lambda: 0)
        stats.register(group, prefix + "free_size", (lambda: physical_size() - resident_size()) if own else lambda: 0)
        stats.register(group, prefix + "fragments", lambda: 0)
    for name in ("total_size", "used_size", "real_used_size", "max_used_size", "free_size", "fragments"):
        shared = partial(_count_of, stats.groups["shmem"][name])
        stats.register("pkmem", f"{_PROCESS}-{name}", shared, family=f"proc_{name}", process=_PROCESS)
    load = Load()
    for period, seconds in (("load", 1), ("load1m", 60), ("load10m", 600)):
        percent = partial(load.percent, seconds)
        stats.register("load", f"{period}-proc-{_PROCESS}", percent, family=f"proc_{period}", process=_PROCESS)
    for suffix in ("", "-all"):
        stats.register("load", f"load{suffix}", lambda: load.percent(1))
        stats.register("load", f"load1m{suffix}", lambda: load.percent(60))
        stats.register("load", f"load10m{suffix}", lambda: load.percent(600))
    stats.register("load", "processes_number", lambda: len(server.process_table()))
    for name in ("dns_total_queries", "dns_slow_queries"):
        stats.counter("dns", name)
    return load
