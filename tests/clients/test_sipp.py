"""Real traffic: the server as a process of its own, SIPp as phones, on loopback.

Each scenario file is one side of a call. A caller and a phone run side by side, some calls at once; SIPp ends with 0 only when
every call went message by message as the scenario says, so most tests assert just that, and that the server had nothing to complain of.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SIPP = shutil.which("sipp")
PATIENCE = 15.0
"""Seconds until a program that neither works nor ends fails its test; no test gets near it."""

pytestmark = pytest.mark.skipif(SIPP is None, reason="SIPp is missing (Debian: apt install sip-tester)")


def free_port() -> int:
    """A UDP port nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Is an OPTIONS answered within a moment?"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.1)
        probe.bind(("127.0.0.1", 0))
        mine, unique = probe.getsockname()[1], time.monotonic_ns()
        probe.sendto(
            f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{mine};branch=z9hG4bK-{unique}\r\n"
            f"From: <sip:probe@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1:{port}>\r\nCall-ID: {unique}\r\n"
            "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode(), ("127.0.0.1", port))
        try:
            return probe.recv(4096).startswith(b"SIP/2.0 200 ")
        except OSError:
            return False


@dataclass
class Running:
    """A started server."""

    port: int
    log: Path

    def complaints(self) -> str:
        """What it logged so far: warnings and worse, as log_level says."""
        return self.log.read_text(errors="replace")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The server with registrar.cfg, for all tests of this file; it must end with 0 when asked to."""
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    script, log = folder / "registrar.cfg", folder / "server.log"
    script.write_text((HERE / "registrar.cfg").read_text().replace("@PORT@", str(port)))
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine", "-F", "-f", str(script)], cwd=folder, stdout=out, stderr=out,
            env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(port):
            assert process.poll() is None and time.monotonic() < deadline, f"the server did not start: {log.read_text()}"
        yield Running(port, log)
        process.terminate()
        assert process.wait(PATIENCE) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


class Sipp:
    """One SIPp at work in a folder of its own: `count` calls of a scenario."""

    def __init__(self, scenario: str, folder: Path, port: int, *more: str, count: int) -> None:
        self.scenario = scenario
        self.errors, self.messages = folder / f"{scenario}-{port}.errors", folder / f"{scenario}-{port}.messages"
        assert SIPP is not None
        self.process = subprocess.Popen([
            SIPP, "-sf", str(HERE / f"{scenario}.xml"), "-i", "127.0.0.1", "-p", str(port), "-m", str(count), "-r", "100", "-nostdin",
            "-timeout", "10", "-timeout_error", "-trace_err", "-error_file", str(self.errors),
            "-trace_msg", "-message_file", str(self.messages), *more,
        ], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def finish(self) -> None:
        """Wait for the end; every call must have succeeded."""
        code = self.process.wait(PATIENCE)
        said = self.errors.read_text(errors="replace") if self.errors.exists() else ""
        assert code == 0, f"{self.scenario} ended with {code}: {said}"

    def stop(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()

    def received(self, method: str) -> list[str]:
        """The requests of a method that arrived, oldest first."""
        found = []
        for entry in self.messages.read_text(errors="replace").split("\n-----------------------------------------------"):
            head, _, text = entry.partition("\n\n")
            if " message received " in head and text.startswith(f"{method} "):
                found.append(text)
        return found


def listens(port: int) -> bool:
    """Is a UDP port of this machine taken? Asked of the kernel: a probe would be a call to SIPp."""
    rows = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") for row in rows)


def run(scenario: str, server: Running, folder: Path, *more: str, port: int | None = None, count: int = 1) -> Sipp:
    """One SIPp from start to a good end."""
    client = Sipp(scenario, folder, port or free_port(), f"127.0.0.1:{server.port}", *more, count=count)
    try:
        client.finish()
    finally:
        client.stop()
    return client


def call(caller: str, callee: str, server: Running, folder: Path, count: int, *more: str) -> tuple[Sipp, Sipp]:
    """`count` calls to a phone that registers first; both sides must be content. more: options of the caller. Returns (caller, phone)."""
    port = free_port()
    # a user per scenario, so that no phone of another test is still registered under the name
    name = callee.replace("_", "")
    run("register_phone", server, folder, "-s", name, port=port)
    phone = Sipp(callee, folder, port, "-s", name, f"127.0.0.1:{server.port}", count=count)
    try:
        deadline = time.monotonic() + PATIENCE
        while not listens(port):
            try:
                phone.process.wait(0.01)
            except subprocess.TimeoutExpired:
                assert time.monotonic() < deadline, "the phone does not listen"
            else:
                pytest.fail(f"the phone ended: {phone.errors.read_text() if phone.errors.exists() else ''}")
        dialler = run(caller, server, folder, "-s", name, *more, count=count)
        phone.finish()
    finally:
        phone.stop()
    assert server.complaints() == ""
    return dialler, phone


def test_register(server: Running, tmp_path: Path) -> None:
    """Phones are granted their time, and are gone after signing off."""
    run("register", server, tmp_path, count=20)
    assert server.complaints() == ""


def test_call(server: Running, tmp_path: Path) -> None:
    """Call, ring, answer, hang up; the INVITE arrived once per call and shows the server in its path."""
    _, phone = call("caller_calls", "callee_answers", server, tmp_path, 20)
    invites = phone.received("INVITE")
    assert len(invites) == 20
    assert all(f"Record-Route: <sip:127.0.0.1:{server.port};lr" in text and "Max-Forwards: 69" in text for text in invites)


def test_cancel(server: Running, tmp_path: Path) -> None:
    """A caller who gives up gets 200 and 487; the CANCEL reached the phone on the branch of its INVITE."""
    _, phone = call("caller_cancels", "callee_is_cancelled", server, tmp_path, 10)

    def branches(method: str) -> list[str]:
        return sorted(text.partition("\nVia: ")[2].partition("branch=")[2].split()[0] for text in phone.received(method))

    assert len(branches("INVITE")) == 10
    assert branches("INVITE") == branches("CANCEL") == branches("ACK")


def test_phone_hangs_up(server: Running, tmp_path: Path) -> None:
    """The BYE of the called side finds its way back through the server."""
    dialler, _ = call("caller_is_hung_up", "callee_hangs_up", server, tmp_path, 10)
    byes = dialler.received("BYE")
    assert len(byes) == 10
    assert not any("\nRoute:" in text for text in byes)


def test_repeated_invite(server: Running, tmp_path: Path) -> None:
    """An INVITE that comes again is answered from the transaction: the phone sees one INVITE per call."""
    # -nr: else SIPp takes the second, equal 180 for a sign that its INVITE was lost, and sends it for ever
    _, phone = call("caller_repeats", "callee_rings_once", server, tmp_path, 10, "-nr")
    invites = phone.received("INVITE")
    assert len(invites) == 10
    assert len({text.partition("Call-ID: ")[2].split()[0] for text in invites}) == 10
