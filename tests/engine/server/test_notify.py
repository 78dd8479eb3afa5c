"""engine.server.notify."""

import os
import socket
from pathlib import Path

import pytest

from engine.server.notify import Notifier


def test_states_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        notifier = Notifier()
        assert notifier.alive_every == 15.0
        assert "NOTIFY_SOCKET" not in os.environ
        notifier.ready("up")
        notifier.alive()
        notifier.reloading()
        notifier.status("3 contacts")
        notifier.stopping()
        heard = [systemd.recv(500).decode() for _ in range(5)]
        assert heard[0] == f"READY=1\nMAINPID={os.getpid()}\nSTATUS=up"
        assert heard[1] == "WATCHDOG=1"
        assert heard[2].startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert heard[3:] == ["STATUS=3 contacts", "STOPPING=1"]


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    notifier = Notifier()
    assert notifier.alive_every == 0.0
    notifier.ready("up")
