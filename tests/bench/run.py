"""make bench: CPU of the server per REGISTER and per call, with SIPp as load, beside Kamailio and OpenSIPS when present.

Every server runs the same work (script.cfg; kamailio.cfg says the same in Kamailio's words) on loopback with one UDP worker.
The figure is CPU time of the server's processes (user and system, from /proc) divided by the work done; wall-clock time on a
shared machine is noise and not looked at. "compiled" is the copy that `make fast` builds.
OpenSIPS is taken from $OPENSIPS (its binary) with $OPENSIPS_MPATH (its modules).

    python -m tests.bench.run [--registers 20000] [--calls 5000] [--rate 400] [--only ours,compiled,kamailio,opensips]
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FAST = ROOT / "build" / "fast"
TICKS = os.sysconf("SC_CLK_TCK")
NOBODY_ANSWERS = 30.0


@dataclass
class Result:
    """What one server needed."""

    name: str
    register_us: float = 0.0
    call_us: float = 0.0
    rss_mb: float = 0.0
    notes: list[str] = field(default_factory=list)


def free_port() -> int:
    """A UDP port nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        queue.extend(children.get(one, []))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time so far of a process tree."""
    total = 0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def rss_mb(pid: int) -> float:
    """Resident size of the process itself."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def answers(port: int) -> bool:
    """Does somebody answer on the port?"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.3)
        probe.bind(("127.0.0.1", 0))
        mine = probe.getsockname()[1]
        probe.sendto(
            f"OPTIONS sip:none@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{mine};branch=z9hG4bKprobe{time.time_ns()}\r\n"
            f"From: <sip:probe@127.0.0.1>;tag=1\r\nTo: <sip:none@127.0.0.1>\r\nCall-ID: probe-{time.time_ns()}\r\n"
            "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode(), ("127.0.0.1", port))
        try:
            return bool(probe.recv(4096))
        except OSError:
            return False


def sipp(scenario: str, *more: str) -> list[str]:
    """A SIPp command."""
    return ["sipp", "-sf", str(HERE / "sipp" / scenario), "-i", "127.0.0.1", "-nostdin", "-trace_err", *more]


def run_load(command: list[str], folder: str, seconds: float) -> str:
    """Run a load to its end; "" when every unit succeeded, else what SIPp says."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False)
    return "" if done.returncode == 0 else f"sipp ended with {done.returncode}"


def measure(name: str, command: list[str], port: int, args: argparse.Namespace, folder: str) -> Result:
    """Start a server, load it, stop it."""
    result = Result(name)
    environment = {**os.environ, "PYTHONPATH": str(FAST if name == "compiled" else ROOT)}
    log = open(os.path.join(folder, f"{name}.log"), "wb")
    server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + NOBODY_ANSWERS
        while not answers(port):
            if server.poll() is not None and name in ("ours", "compiled") or time.monotonic() > deadline:
                tail = Path(folder, f"{name}.log").read_text(errors="replace")[-800:]
                result.notes.append(f"did not start: {tail}")
                return result
        target = f"127.0.0.1:{port}"
        limit = 60 + args.registers / args.register_rate * 3
        run_load(sipp("register.xml", target, "-m", "200", "-r", "200", "-p", str(free_port())), folder, 60)
        before = cpu_seconds(server.pid)
        problem = run_load(sipp(
            "register.xml", target, "-m", str(args.registers), "-r", str(args.register_rate), "-p", str(free_port()),
        ), folder, limit)
        result.register_us = (cpu_seconds(server.pid) - before) / args.registers * 1e6
        if problem:
            result.notes.append(f"registers: {problem}")

        phone_port = free_port()
        run_load(sipp("register_one.xml", target, "-m", "1", "-s", "callee", "-p", str(phone_port)), folder, 30)
        phone = subprocess.Popen(
            sipp("uas.xml", "-p", str(phone_port), "-s", "callee"), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            run_load(sipp("uac.xml", target, "-s", "callee", "-m", "100", "-r", "100", "-p", str(free_port())), folder, 60)
            before = cpu_seconds(server.pid)
            problem = run_load(sipp(
                "uac.xml", target, "-s", "callee", "-m", str(args.calls), "-r", str(args.rate), "-l", "2000", "-p", str(free_port()),
            ), folder, 60 + args.calls / args.rate * 3)
            result.call_us = (cpu_seconds(server.pid) - before) / args.calls * 1e6
            if problem:
                result.notes.append(f"calls: {problem}")
        finally:
            phone.terminate()
            phone.wait()
        result.rss_mb = rss_mb(server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        log.close()
    return result


def commands(folder: str, wanted: list[str]) -> list[tuple[str, list[str], int]]:
    """(name, command, port) of every server that can run here."""
    found = []

    def render(source: str, name: str, port: int, mpath: str = "") -> str:
        text = (HERE / source).read_text().replace("@PORT@", str(port))
        text = text.replace("@MPATH@", f'mpath="{mpath}"' if mpath else "")
        target = os.path.join(folder, name)
        Path(target).write_text(text)
        return target

    port = free_port()
    found.append(("ours", [sys.executable, "-m", "engine", "-F", "-f", render("script.cfg", "ours.cfg", port)], port))
    if (FAST / ".compiled").exists():
        port = free_port()
        command = [sys.executable, "-m", "engine", "-F", "-f", render("script.cfg", "compiled.cfg", port)]
        found.append(("compiled", command, port))
    kamailio = shutil.which("kamailio") or shutil.which("kamailio", path="/usr/sbin")
    if kamailio:
        port = free_port()
        found.append(("kamailio", [
            kamailio, "-DD", "-E", "-f", render("kamailio.cfg", "kamailio.cfg", port), "-Y", folder,
        ], port))
    opensips = os.environ.get("OPENSIPS")
    if opensips:
        port = free_port()
        cfg = render("script.cfg", "opensips.cfg", port, os.environ.get("OPENSIPS_MPATH", ""))
        found.append(("opensips", [opensips, "-F", "-m", "512", "-f", cfg, "-w", folder], port))
    return [one for one in found if not wanted or one[0] in wanted]


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registers", type=int, default=20000)
    parser.add_argument("--register-rate", type=int, default=2000)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    if not shutil.which("sipp"):
        print("SIPp is missing (Debian: apt install sip-tester); nothing measured")
        return 1
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        results = [
            measure(name, command, port, args, folder)
            for name, command, port in commands(folder, [n for n in args.only.split(",") if n])
        ]
    print(f"CPU of the server, {args.registers} REGISTERs, {args.calls} calls (INVITE 100 180 200 ACK BYE 200)")
    print(f"{'server':<10} {'µs/REGISTER':>12} {'µs/call':>9} {'RSS MB':>8}")
    for result in results:
        print(f"{result.name:<10} {result.register_us:>12.1f} {result.call_us:>9.1f} {result.rss_mb:>8.1f}  {'; '.join(result.notes)}")
    mine = [result for result in results if result.name in ("ours", "compiled")]
    for one in mine:
        for other in results:
            if other not in mine and other.register_us and other.call_us:
                print(f"ratio {one.name} / {other.name}: REGISTER {one.register_us / other.register_us:.2f}, "
                      f"call {one.call_us / other.call_us:.2f}")
    return 1 if any(result.notes for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
