"""Real database servers for tests: made in a folder of their own, on a loopback port, gone afterwards.

A machine without them skips these tests and says what is missing. As root the server runs as an unprivileged user, because
PostgreSQL insists.
"""

from __future__ import annotations

import ctypes
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest


def free_port() -> int:
    """A TCP port of the loopback nobody has now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def find_program(name: str) -> str | None:
    """Where a server's program is."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def _end_with_parent() -> None:
    """In the child: SIGQUIT when the tests are killed (prctl PR_SET_PDEATHSIG; Linux), which ends both servers at once."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
    except AttributeError:
        return


class DatabaseServer:
    """A server process with its folder; stop() ends it and removes the folder."""

    def __init__(self, port: int = 0) -> None:
        self.port = port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="database-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> None:
        """Run a program to its end."""
        done = subprocess.run(words, cwd=self.folder, capture_output=True, check=False, **self._as)
        assert done.returncode == 0, done.stderr.decode()[-2000:] + done.stdout.decode()[-500:]

    def launch(self, *words: str) -> None:
        """Start the server and wait until it accepts connections."""
        log = open(self.folder / "log", "ab")  # noqa: SIM115 - the child's
        self.process = subprocess.Popen(
            words, cwd=self.folder, stdout=log, stderr=log, preexec_fn=_end_with_parent, **self._as)
        log.close()
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.05)
        raise AssertionError("the database server does not come up")

    def start(self) -> None:
        """Start it again in its folder."""
        raise NotImplementedError

    def url(self, database: str) -> str:
        """db_url of a database."""
        raise NotImplementedError

    def pause(self, stopped: bool) -> None:
        """Have all its processes stand still, or go on."""
        assert self.process is not None
        number = signal.SIGSTOP if stopped else signal.SIGCONT
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, check=False)
        for pid in [self.process.pid, *map(int, children.stdout.split())]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def kill(self) -> None:
        """End it at once; start() finds its folder as a crash leaves it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT if isinstance(self, Postgres) else signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def stop(self) -> None:
        """End it and remove its folder."""
        if self.process is not None:
            self.pause(False)
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(DatabaseServer):
    """PostgreSQL."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        initdb = find_program("initdb")
        if initdb is None or find_program("postgres") is None:
            pytest.skip("PostgreSQL is not on this machine (no initdb)")
        self.command(
            initdb, "-D", str(self.folder / "data"), "-U", "opensips", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.start()

    def start(self) -> None:
        """fsync off: a folder that is thrown away."""
        program = find_program("postgres")
        assert program is not None
        self.launch(
            program, "-D", str(self.folder / "data"), "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder),
            "-c", "fsync=off", "-c", "log_min_messages=warning")

    def url(self, database: str) -> str:
        return f"postgres://opensips:secret@127.0.0.1:{self.port}/{database}"


class Maria(DatabaseServer):
    """MariaDB, which speaks MySQL's protocol."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        install = find_program("mariadb-install-db")
        if install is None or find_program("mariadbd") is None:
            pytest.skip("MariaDB is not on this machine (no mariadb-install-db)")
        self.command(
            install, "--no-defaults", f"--datadir={self.folder / 'data'}", "--auth-root-authentication-method=normal",
            "--skip-test-db", f"--tmpdir={self.folder}", "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync")
        self.start()

    def start(self) -> None:
        """Without flushing to disk."""
        program = find_program("mariadbd")
        assert program is not None
        self.launch(
            program, "--no-defaults", f"--datadir={self.folder / 'data'}", f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--socket={self.folder / 'sock'}", f"--pid-file={self.folder / 'pid'}", f"--tmpdir={self.folder}",
            "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", "--innodb-buffer-pool-size=32M")

    def url(self, database: str) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/{database}"
