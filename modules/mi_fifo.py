"""mi_fifo: the management interface over named pipes.

    :reply_name:{"jsonrpc":"2.0","id":1,"method":"uptime"}

is written into fifo_name; the answer goes into the pipe reply_dir/reply_name, which the client has made and reads. Manual:
OpenSIPS 3.6, module mi_fifo. The pipe is made at start, removed at the end and made anew when somebody deleted it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from typing import Final

from engine.errors import ConfigError
from engine.mi.jsonrpc import answer, parse
from engine.module import Module, modparam
from modules.shared.owner import NO_CHANGE, group_id, user_id

_MOST: Final = 1 << 20
"""Bytes of an unfinished request after which it is dropped."""
_PATIENCE: Final = 2.0
"""Seconds a client has to open and empty its reply pipe."""


def json_end(text: bytes) -> int:
    """Where the JSON object or array at the beginning ends; 0: not yet, -1: it is none."""
    begin = len(text) - len(text.lstrip())
    if begin == len(text):
        return 0
    if text[begin] not in b"{[":
        return -1
    depth, quoted, at = 0, False, begin
    while at < len(text):
        char = text[at]
        if quoted:
            if char == 0x5C:
                at += 1
            elif char == 0x22:
                quoted = False
        elif char == 0x22:
            quoted = True
        elif char in b"{[":
            depth += 1
        elif char in b"}]":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return 0


class Requests:
    """Splits what comes through the pipe into (reply name, JSON text); reply name "": no answer wanted."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> tuple[list[tuple[str, bytes]], list[str]]:
        """The requests that are complete now, and why other text was dropped."""
        self._data += data
        found: list[tuple[str, bytes]] = []
        dropped: list[str] = []
        while self._data:
            if self._data[:1] in (b"\n", b"\r", b" "):
                self._data = self._data[1:]
                continue
            line, newline, rest = self._data.partition(b"\n")
            if not line.startswith(b":"):
                if not newline:
                    break
                dropped.append("a line does not begin with :reply_name:")
                self._data = rest
                continue
            name, colon, _ = line[1:].partition(b":")
            if not colon:
                if not newline:
                    break
                dropped.append("a line has no second colon")
                self._data = rest
                continue
            begin = len(name) + 2
            end = json_end(self._data[begin:])
            if end < 0:
                if not newline:
                    break
                dropped.append("what follows the reply name is not JSON")
                self._data = rest
                continue
            if end == 0:
                # A new request in the middle of another one: the first was cut off.
                next_one = self._data.find(b"\n:", begin)
                if next_one >= 0:
                    dropped.append("a request is not complete")
                    self._data = self._data[next_one + 1:]
                    continue
                break
            found.append((name.decode("latin-1"), self._data[begin:begin + end]))
            self._data = self._data[begin + end:]
        if len(self._data) > _MOST:
            dropped.append("a request is too long")
            self._data = b""
        return found, dropped


class MiFifo(Module):
    """The module."""

    fifo_name = modparam(str, "/tmp/opensips_fifo", help="pipe for requests")
    fifo_mode = modparam(int, 0o660, help="its permissions")
    fifo_user = modparam(str, NO_CHANGE, both=True, parse=user_id, help="its owner, name or number")
    fifo_group = modparam(str, NO_CHANGE, both=True, parse=group_id, help="its group, name or number")
    reply_dir = modparam(str, "/tmp/", help="folder of the reply pipes")
    pretty_printing = modparam(int, 0, help="answers over several lines, indented")
    trace_destination = modparam(str, "", help="where MI traffic is traced to", effect="no tracing module exists here")
    trace_bwlist = modparam(str, "", help="which commands are traced", effect="no tracing module exists here")

    def mod_init(self) -> None:
        self._fd = -1
        self._requests = Requests()

    async def child_init(self) -> None:
        self._open()
        self.server.timers.every(5, self._look_after)

    async def destroy(self) -> None:
        if self._fd >= 0:
            is_ours = self._is_ours()
            self._close()
            if is_ours:
                os.unlink(self.fifo_name)

    def process_titles(self) -> list[str]:
        """How `ps` shows it."""
        return ["MI FIFO"]

    # ---------------------------------------------------------------- the request pipe

    def _open(self) -> None:
        """Make the pipe and listen. Raises ConfigError."""
        name = self.fifo_name
        try:
            if stat.S_ISFIFO(os.lstat(name).st_mode):
                os.unlink(name)
            else:
                raise ConfigError(f"mi_fifo: {name} exists and is not a pipe")
        except FileNotFoundError:
            pass
        try:
            os.mkfifo(name, self.fifo_mode)
            # Reading and writing: the end of one client is not the end of the pipe.
            self._fd = os.open(name, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
            os.fchmod(self._fd, self.fifo_mode)
            if (self.fifo_user, self.fifo_group) != (NO_CHANGE, NO_CHANGE):
                os.fchown(self._fd, self.fifo_user, self.fifo_group)
        except OSError as error:
            raise ConfigError(f"mi_fifo: pipe {name} cannot be made: {error.strerror}") from None
        asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def _close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1

    def _is_ours(self) -> bool:
        """Whether the name still leads to the pipe we read."""
        try:
            there, ours = os.stat(self.fifo_name), os.fstat(self._fd)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _look_after(self) -> None:
        if self._fd < 0 or not self._is_ours():
            if self._fd >= 0:
                self.log.warning("pipe %s is gone, it is made anew", self.fifo_name)
                self._close()
            try:
                self._open()
            except ConfigError as error:
                self.log.error("%s", error)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        requests, dropped = self._requests.feed(data)
        for why in dropped:
            self.log.error("%s: %s", self.fifo_name, why)
        for name, text in requests:
            self.server.spawn(self._serve(name, text), "mi_fifo request")

    # ---------------------------------------------------------------- one request

    async def _serve(self, name: str, text: bytes) -> None:
        try:
            parse(text)
        except ValueError:
            self.log.error("%s: a request is not JSON", self.fifo_name)
            return
        result = await answer(self.server.mi, text, bool(self.pretty_printing))
        if result is None or not name:
            return
        if "/" in name or name in (".", ".."):
            self.log.error("reply name %r is not the name of a pipe in %s", name, self.reply_dir)
            return
        path = os.path.join(self.reply_dir, name)
        try:
            await self._reply(path, result)
        except OSError as error:
            self.log.error("reply pipe %s: %s", path, error.strerror or error)

    async def _reply(self, path: str, data: bytes) -> None:
        """Write an answer into a client's pipe. Raises OSError, TimeoutError among them."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE
        while True:
            try:
                fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
                break
            except OSError as error:
                # ENXIO: nobody reads yet.
                if error.errno != errno.ENXIO or loop.time() >= end:
                    raise
                await asyncio.sleep(0.02)
        try:
            if not stat.S_ISFIFO(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a pipe")
            rest = memoryview(data)
            while rest:
                try:
                    rest = rest[os.write(fd, rest):]
                except BlockingIOError:
                    if loop.time() >= end:
                        raise TimeoutError(errno.ETIMEDOUT, "the client does not read") from None
                    await asyncio.sleep(0.02)
        finally:
            os.close(fd)


exports = MiFifo
