"""Becoming a daemon: fork, session, PID files, user and group.

The one who started us waits until the server is up or has failed and leaves with its status, so `opensips-like -f x && ...`
means what it says.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from pathlib import Path

from engine.errors import ConfigError


class Daemon:
    """The child's end of a pipe to the waiting parent; without daemonising nothing is forked and ready() does nothing."""

    def __init__(self) -> None:
        self._pipe = -1

    def fork(self) -> int | None:
        """Fork and leave the terminal. In the child: None. In the parent: the exit status to leave with, when it is known."""
        read_end, write_end = os.pipe()
        if os.fork():
            os.close(write_end)
            with os.fdopen(read_end, "rb") as pipe:
                said = pipe.read()
            return said[0] if said else 255
        os.close(read_end)
        os.setsid()
        if os.fork():
            os._exit(0)
        self._pipe = write_end
        os.set_inheritable(write_end, False)
        return None

    def ready(self, status: int = 0) -> None:
        """Tell the waiting parent: 0 is up and running. From then on standard input and output go nowhere."""
        if self._pipe < 0:
            return
        with contextlib.suppress(OSError):
            os.write(self._pipe, bytes([status]))
        os.close(self._pipe)
        self._pipe = -1

    @staticmethod
    def detach(keep_stdout: bool, keep_stderr: bool) -> None:
        """Close the terminal's ends that nobody needs any more."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)
        if not keep_stdout:
            os.dup2(nowhere, 1)
        if not keep_stderr:
            os.dup2(nowhere, 2)
        if nowhere > 2:
            os.close(nowhere)


class PidFile:
    """A file that holds our process (group) id while we run. ConfigError: another living process has it."""

    def __init__(self, path: str, group: bool = False) -> None:
        self._path = Path(path)
        self._number = os.getpgrp() if group else os.getpid()
        if not group:
            self._refuse_second_start()
        try:
            self._path.write_text(f"{self._number}\n")
        except OSError as error:
            raise ConfigError(f"unable to create pid file {path}: {error.strerror}") from None

    def _refuse_second_start(self) -> None:
        try:
            number = int(self._path.read_text().strip() or 0)
        except (OSError, ValueError):
            return
        if number > 1 and number != self._number:
            with contextlib.suppress(ProcessLookupError):
                with contextlib.suppress(PermissionError):
                    os.kill(number, 0)
                raise ConfigError(f"running process {number} found in the pid file {self._path}")

    def remove(self) -> None:
        """Delete it, if it is still ours."""
        with contextlib.suppress(OSError, ValueError):
            if int(self._path.read_text().strip()) == self._number:
                self._path.unlink()


def change_root(folder: str) -> None:
    """chroot, then to its top. ConfigError when that is not allowed."""
    try:
        os.chroot(folder)
        os.chdir("/")
    except OSError as error:
        raise ConfigError(f"cannot chroot to {folder}: {error.strerror}") from None


def change_directory(folder: str) -> None:
    """chdir; ConfigError when that cannot be done."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise ConfigError(f"cannot chdir to {folder}: {error.strerror}") from None


def change_user(user: str, group: str) -> None:
    """Give up rights: group first. Names or numbers. ConfigError: unknown, or not allowed."""
    try:
        number = -1
        if user:
            entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
            number = entry.pw_uid
            if not group:
                os.setgid(entry.pw_gid)
        if group:
            os.setgid(int(group) if group.isdigit() else grp.getgrnam(group).gr_gid)
        if number >= 0:
            os.setuid(number)
    except KeyError:
        raise ConfigError(f"unknown user or group: {user} {group}".rstrip()) from None
    except OSError as error:
        raise ConfigError(f"cannot become {user or '-'}:{group or '-'}: {error.strerror}") from None
