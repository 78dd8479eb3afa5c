"""The log: OpenSIPS' levels, line format, targets and filters.

A line is `Nov 22 17:57:33 [pid] PREFIX:LEVEL:module:function: text` on standard error, the same from PREFIX on in syslog,
or a JSON object per line. xlog lines carry no module and no line end of their own, so several of them may share a line.

Cost: a level that is off costs the caller one integer comparison inside the method, or in front of the call where the
arguments are expensive (`if self.log.level >= DEBUG`). A line that is on is formatted at once and written at the end of the
event loop's turn; errors, and everything while no loop runs, are written immediately, so nothing is lost on a crash.
"""

from __future__ import annotations

import json
import os
import select
import sys
import syslog
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

ALERT: Final = -3
CRITICAL: Final = -2
ERROR: Final = -1
WARNING: Final = 1
NOTICE: Final = 2
INFO: Final = 3
DEBUG: Final = 4

LEVEL_NAMES: Final = {
    ALERT: "ALERT", CRITICAL: "CRITICAL", ERROR: "ERROR", 0: "ERROR", WARNING: "WARNING", NOTICE: "NOTICE", INFO: "INFO",
    DEBUG: "DBG",
}
_SYSLOG_PRIORITIES: Final = {
    ALERT: syslog.LOG_ALERT, CRITICAL: syslog.LOG_CRIT, ERROR: syslog.LOG_ERR, 0: syslog.LOG_ERR, WARNING: syslog.LOG_WARNING,
    NOTICE: syslog.LOG_NOTICE, INFO: syslog.LOG_INFO, DEBUG: syslog.LOG_DEBUG,
}
FORMATS: Final = ("plain_text", "json", "json_cee")


def level_name(level: int) -> str:
    """Name of a level as it is printed; levels beyond the ends take the name of the end."""
    return LEVEL_NAMES[max(ALERT, min(DEBUG, level))]


def to_bytes(text: str) -> bytes:
    """Script and message text is latin-1, byte for byte; what is not (an exception's text) goes out as UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


class Line:
    """What a target prints. module "" marks an xlog line."""

    __slots__ = ("level", "module", "function", "text", "stamp", "prefix", "shows_level")

    def __init__(
        self, level: int, module: str, function: str, text: str, stamp: str, prefix: str, shows_level: bool = True,
    ) -> None:
        self.level = level
        self.module = module
        self.function = function
        self.text = text
        self.stamp = stamp
        self.prefix = prefix
        self.shows_level = shows_level
        """xlog lines only: print the level in front."""

    def plain(self) -> str:
        """From the prefix on; ends with a newline unless it is an xlog line."""
        if not self.module:
            return f"{self.prefix}{level_name(self.level)}:{self.text}" if self.shows_level else self.prefix + self.text
        return f"{self.prefix}{level_name(self.level)}:{self.module}:{self.function}: {self.text}\n"

    def as_json(self, limit: int = 6144) -> str:
        """One object, one line; the text cut to limit characters."""
        members: dict[str, Any] = {"time": self.stamp, "pid": os.getpid(), "level": level_name(self.level)}
        if self.module:
            members["module"] = self.module
            members["function"] = self.function
        if self.prefix:
            members["prefix"] = self.prefix[:-1]
        members["message"] = self.text[:limit] + "\n" if self.module else self.text[:limit]
        return json.dumps(members)


class Target:
    """One place lines go to: a switch, a threshold of its own and a format."""

    __slots__ = ("name", "enabled", "muted", "level_filter", "format")

    def __init__(self, name: str, enabled: bool) -> None:
        self.name = name
        self.enabled = enabled
        self.muted = False
        self.level_filter = 0
        """Highest level this target takes; 0: no threshold of its own."""
        self.format = "plain_text"

    def wants(self, level: int) -> bool:
        """Does it take lines of this level?"""
        return self.enabled and not self.muted and (not self.level_filter or level <= self.level_filter)


class Log:
    """A view of the log for one module: bound("tm") makes another on the same outlets.

    The root (the server's, module "core") holds the outlets. `level` is copied into every view so that a test of it is one
    attribute; change it through set_level() only.
    """

    __slots__ = ("module", "level", "root", "__weakref__")

    module: str
    level: int
    root: LogRoot

    def bound(self, module: str) -> Log:
        """The log of a module: same outlets, its name in the lines."""
        view = Log.__new__(Log)
        view.module = module
        view.level = self.root.level
        view.root = self.root
        self.root.views.append(view)
        return view

    def alert(self, text: str, *args: object) -> None:
        """Something that needs a person at once."""
        if self.level >= ALERT:
            self._emit(ALERT, text, args)

    def critical(self, text: str, *args: object) -> None:
        """The server cannot go on, or something impossible happened."""
        if self.level >= CRITICAL:
            self._emit(CRITICAL, text, args)

    def error(self, text: str, *args: object) -> None:
        """Something failed."""
        if self.level >= ERROR:
            self._emit(ERROR, text, args)

    def warning(self, text: str, *args: object) -> None:
        """Something looks wrong, the work went on."""
        if self.level >= WARNING:
            self._emit(WARNING, text, args)

    def notice(self, text: str, *args: object) -> None:
        """Normal, but worth a line."""
        if self.level >= NOTICE:
            self._emit(NOTICE, text, args)

    def info(self, text: str, *args: object) -> None:
        """What goes on."""
        if self.level >= INFO:
            self._emit(INFO, text, args)

    def debug(self, text: str, *args: object) -> None:
        """For those who look for a mistake; guard expensive arguments with `if log.level >= DEBUG`."""
        if self.level >= DEBUG:
            self._emit(DEBUG, text, args)

    def exception(self, error: BaseException, text: str) -> None:
        """An error that nobody expected, with the way there: lines of the script are frames like any other."""
        root = self.root
        root.write(ERROR, self.module, sys._getframe(1).f_code.co_name, f"{text}: {type(error).__name__}: {error}")
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            root.write(ERROR, self.module, "traceback", f"    {code.co_filename}:{trace.tb_lineno} in {code.co_name}")
            trace = trace.tb_next

    def _emit(self, level: int, text: str, args: tuple[object, ...]) -> None:
        self.root.write(level, self.module, sys._getframe(2).f_code.co_name, text % args if args else text)


class LogRoot(Log):
    """The log of a server: levels, targets, the buffer in front of standard error."""

    __slots__ = (
        "views", "default_level", "xlog_level", "default_xlog_level", "xlog_shows_level", "prefix", "stderror", "syslog",
        "event", "facility", "ident", "on_event", "clock", "_fd", "_buffer", "_later", "_second", "_stamp", "_opened",
        "_in_event", "json_limit",
    )

    def __init__(self, fd: int = 2, clock: Callable[[], float] = time.time) -> None:
        self.module = "core"
        self.level = NOTICE
        self.root = self
        self.views: list[Log] = [self]
        self.default_level = NOTICE
        """What `$log_level = NULL` goes back to."""
        self.xlog_level = NOTICE
        """Threshold of xlog; whoever formats a text for xlog() compares with this first."""
        self.default_xlog_level = NOTICE
        self.xlog_shows_level = True
        """3.1 printed xlog lines without a level."""
        self.prefix = ""
        """Empty, or ends with a colon."""
        self.stderror = Target("stderror", True)
        self.syslog = Target("syslog", False)
        self.event = Target("event", False)
        self.json_limit = 6144
        """Longest text in a JSON line; the rest is cut off."""
        self.facility = syslog.LOG_DAEMON
        self.ident = "opensips"
        self.on_event: Callable[[Line], None] | None = None
        """Raises E_CORE_LOG."""
        self.clock = clock
        self._fd = fd
        self._buffer: list[bytes] = []
        self._later: Callable[[Callable[[], None]], object] | None = None
        self._second = -1
        self._stamp = ""
        self._opened = False
        self._in_event = False

    # ---- settings ----

    def set_level(self, level: int | None) -> None:
        """Threshold of the log from now on; None: back to the configured one."""
        self.level = self.default_level if level is None else level
        for view in self.views:
            view.level = self.level

    def set_xlog_level(self, level: int | None) -> None:
        """Threshold of xlog from now on; None: back to the configured one."""
        self.xlog_level = self.default_xlog_level if level is None else level

    def buffer_with(self, later: Callable[[Callable[[], None]], object] | None) -> None:
        """Collect lines and have them written by later(flush) (the loop's call_soon); None: write each at once."""
        self.flush()
        self._later = later

    # ---- lines ----

    def xlog(self, level: int, text: str) -> None:
        """Write the text of an xlog() as it is, when the level passes xlog_level. No line end is added."""
        if level <= self.xlog_level:
            self.write(level, "", "", text)

    def write(self, level: int, module: str, function: str, text: str, facility: int | None = None) -> None:
        """Give a line to every target that wants it; the threshold was tested by the caller. facility: in syslog, when it is not
        that of the log."""
        now = self.clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%b %d %H:%M:%S", time.localtime(second))
        line = Line(level, module, function, text, self._stamp, self.prefix, self.xlog_shows_level)
        target = self.stderror
        if target.wants(level):
            if target.format == "plain_text":
                whole = f"{line.stamp} [{os.getpid()}] {line.plain()}"
            else:
                whole = ("@cee: " if target.format == "json_cee" else "") + line.as_json(self.json_limit) + "\n"
            self._buffer.append(to_bytes(whole))
            if self._later is None or level <= ERROR:
                self.flush()
            elif len(self._buffer) == 1:
                self._later(self.flush)
        if self.syslog.wants(level):
            self._to_syslog(line, facility)
        if self.on_event is not None and self.event.wants(level) and not self._in_event:
            self._in_event = True
            try:
                self.on_event(line)
            finally:
                self._in_event = False

    @contextmanager
    def without_event(self) -> Iterator[None]:
        """Lines written inside raise no E_CORE_LOG: for those who deliver events, whose troubles would make more of them."""
        before, self._in_event = self._in_event, True
        try:
            yield
        finally:
            self._in_event = before

    def _to_syslog(self, line: Line, facility: int | None = None) -> None:
        if not self._opened:
            self._opened = True
            syslog.openlog(self.ident, syslog.LOG_PID, self.facility)
        target = self.syslog
        if target.format == "plain_text":
            text = line.plain()
        else:
            text = ("@cee: " if target.format == "json_cee" else "") + line.as_json(self.json_limit)
        priority = _SYSLOG_PRIORITIES[max(ALERT, min(DEBUG, line.level))]
        syslog.syslog(priority if facility is None else priority | facility, text.replace("\0", "\\0").rstrip("\n"))

    def flush(self) -> None:
        """Write what is waiting to standard error."""
        if not self._buffer:
            return
        data = b"".join(self._buffer)
        self._buffer.clear()
        while data:
            try:
                data = data[os.write(self._fd, data):]
            except BlockingIOError:
                select.select([], [self._fd], [], 1.0)
            except OSError:
                # Nobody reads any more (a closed pipe): the server must not die of its log.
                return


def facility_of(name: str) -> int | None:
    """The syslog facility of a word like LOG_LOCAL0, or None."""
    name = name.upper()
    known = name.startswith("LOG_") and name[4:] in (
        "AUTH", "AUTHPRIV", "CRON", "DAEMON", "FTP", "KERN", "LPR", "MAIL", "NEWS", "SYSLOG", "USER", "UUCP",
        "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7",
    )
    return getattr(syslog, name, None) if known else None
