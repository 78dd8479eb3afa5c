"""What systemd wants to hear of a Type=notify unit: ready, reloading, stopping, alive. Without systemd nothing happens."""

from __future__ import annotations

import contextlib
import os
import socket
import time


class Notifier:
    """Sends states to the socket that NOTIFY_SOCKET names."""

    def __init__(self) -> None:
        address = os.environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog = os.environ.pop("WATCHDOG_USEC", "")
        self.alive_every = int(watchdog) / 2_000_000 if watchdog.isdigit() else 0.0
        """Seconds between two alive() calls that systemd asks for; 0: none."""

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(text.encode(), self._address)

    def ready(self, status: str) -> None:
        """The server is up; a line for `systemctl status`."""
        self._tell(f"READY=1\nMAINPID={os.getpid()}\nSTATUS={status}")

    def reloading(self) -> None:
        """The script is read again; ready() ends that."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._tell(f"STATUS={text}")

    def alive(self) -> None:
        """The watchdog's due."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The orderly stop begins."""
        self._tell("STOPPING=1")
