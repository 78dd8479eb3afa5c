"""engine.server.cli: statuses and output; one real process that starts, reloads and stops."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from engine.server.cli import main
from tests.engine.transport.test_udp import free_port
from tests.helpers import make_request

ROOT = Path(__file__).parents[3]
GOOD = """
log_level=3
stderror_enabled=yes
syslog_enabled=no
socket=udp:127.0.0.1:{port}
loadmodule "proto_udp.so"
startup_route {{ xlog("XL|started\\n"); }}
route {{ xlog("XL|{word} $rm\\n"); }}
"""


def script(folder: Path, text: str) -> str:
    path = folder / "x.cfg"
    path.write_text(text)
    return str(path)


def test_check_says_ok(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["-C", "-f", script(tmp_path, GOOD.format(port=5060, word="x"))]) == 0
    assert capfd.readouterr().err.splitlines()[-1].endswith("config file ok, exiting...")


def test_check_shows_all_errors(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = script(tmp_path, 'loadmodule "proto_udp.so"\nroute {\n    nothing();\n    nobody();\n}\n')
    assert main(["-C", "-f", path]) == 255
    error = capfd.readouterr().err
    assert f"parse error in {path}:3:" in error
    assert f"parse error in {path}:4:" in error
    assert "errors)" in error
    assert main(["-C", "--json", "-f", path]) == 255
    assert len(json.loads(capfd.readouterr().out)) >= 2


def test_missing_file_and_bad_option(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["-C", "-f", str(tmp_path / "none.cfg")]) == 255
    assert "none.cfg" in capfd.readouterr().err
    assert main(["-Q"]) == 255
    assert "Unknown option `-Q`." in capfd.readouterr().err


def test_version_help_and_python(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["-V"]) == main(["-h"]) == 0
    out = capfd.readouterr().out
    assert "version: opensips-like" in out
    assert "-f FILE" in out
    assert main(["--show-python", "-f", script(tmp_path, GOOD.format(port=5060, word="x"))]) == 0
    assert "def run_route(ctx)" in capfd.readouterr().out


def test_a_taken_port_stops_the_start(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        handlers = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)}
        try:
            assert main(["-F", "-f", script(tmp_path, GOOD.format(port=port, word="x"))]) == 255
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    assert f"could not bind udp:127.0.0.1:{port}" in capfd.readouterr().err


def lines_until(process: subprocess.Popen[bytes], text: str) -> str:
    """What the process writes to standard error, up to a text."""
    assert process.stderr is not None
    found = b""
    while text.encode() not in found:
        assert select.select([process.stderr], [], [], 20)[0], f"{text!r} not in {found!r}"
        more = os.read(process.stderr.fileno(), 65536)
        assert more, f"{text!r} not in {found!r}"
        found += more
    return found.decode()


def test_life_of_a_process(tmp_path: Path) -> None:
    port = free_port()
    path = script(tmp_path, GOOD.format(port=port, word="old"))
    pid_file = tmp_path / "x.pid"
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "-F", "-f", path, "-w", str(tmp_path), "-P", str(pid_file)],
        cwd=tmp_path, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        assert "XL|started" in lines_until(process, "is up")
        assert int(pid_file.read_text()) == process.pid
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(make_request().encode(), ("127.0.0.1", port))
            lines_until(process, "XL|old OPTIONS")
            Path(path).write_text(GOOD.format(port=port, word="new"))
            process.send_signal(signal.SIGUSR1)
            process.send_signal(signal.SIGHUP)
            lines_until(process, "routes reloaded")
            peer.sendto(make_request().encode(), ("127.0.0.1", port))
            lines_until(process, "XL|new OPTIONS")
            Path(path).write_text("route { nothing(); }")
            process.send_signal(signal.SIGHUP)
            assert "nothing" in lines_until(process, "the old routes go on")
            peer.sendto(make_request().encode(), ("127.0.0.1", port))
            lines_until(process, "XL|new OPTIONS")
        process.terminate()
        assert process.wait(20) == 0
        assert not pid_file.exists()
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def test_a_daemon_leaves_when_it_is_up(tmp_path: Path) -> None:
    port = free_port()
    path = script(tmp_path, GOOD.format(port=port, word="x").replace("stderror_enabled=yes", "stderror_enabled=no"))
    pid_file = tmp_path / "x.pid"
    words = [sys.executable, "-m", "engine", "-f", path, "-P", str(pid_file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(words, cwd=tmp_path, env=environment, timeout=30, check=False, capture_output=True).returncode == 0
    number = int(pid_file.read_text())
    try:
        assert number != os.getpid()
        os.kill(number, 0)
        again = subprocess.run(words, cwd=tmp_path, env=environment, timeout=30, check=False, capture_output=True)
        assert again.returncode == 255
    finally:
        watch = os.pidfd_open(number)
        os.kill(number, signal.SIGTERM)
        assert select.select([watch], [], [], 20)[0]
        os.close(watch)
    assert not pid_file.exists()
