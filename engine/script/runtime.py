"""What compiled routes call that is neither an operator nor a module's function.

One Runtime per compiled script: it holds the server, its log and the limits that the settings name. Everything here is
off the path of a run that meets no error and uses nothing unusual; what is hot is pasted into the routes by the compiler.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Final

from engine.errors import ConfigError, ScriptError, SipParseError, TransportError
from engine.module import Var
from engine.script.context import BRANCH, ERROR, FAILURE, LOCAL, ONREPLY, Context
from engine.script.faults import ASSERT, CRITICAL, ScriptFault, note_fault
from engine.script.operators import place_of
from engine.script.script import RouteFn, Script
from engine.script.values import Value, number_of, print_of, text_of

E_UNSPEC: Final = -1
E_BUG: Final = -5
E_SCRIPT: Final = -10
BREAK: Final = -5
"""$rc after `break`."""
IN_ERROR_ROUTE: Final = "error_route"
"""Key in ctx.slots while the error_route runs."""
MAX_DEPTH: Final = 100
"""Levels of routes, the top one included."""

_KINDS: Final = {FAILURE: "failure_", ONREPLY: "onreply_", BRANCH: "branch_", LOCAL: "local_"}
_LEVELS: Final = {"A": -3, "C": -2, "E": -1, "W": 1, "N": 2, "I": 3, "D": 4}
NEVER: Final = 1 << 31
"""A level that no threshold reaches."""


def level_of(word: str) -> int | None:
    """The level of a word like L_INFO: its third letter decides; None for an unknown one."""
    return _LEVELS.get(word[2:3])


class LiveParams:
    """Parameters of route() as 3.1 passes them: read anew each time, in the view of the caller."""

    __slots__ = ("ctx", "getters", "outer")

    def __init__(self, ctx: Context, getters: tuple[Any, ...], outer: Any) -> None:
        self.ctx = ctx
        self.getters = getters
        self.outer = outer

    def __len__(self) -> int:
        return len(self.getters)

    def __getitem__(self, place: int) -> Value:
        getter = self.getters[place]
        if not callable(getter):
            return getter  # type: ignore[no-any-return]
        ctx = self.ctx
        inner, ctx.params = ctx.params, self.outer
        try:
            return getter(ctx)  # type: ignore[no-any-return]
        finally:
            ctx.params = inner


class Runtime:
    """Errors, logging and the rarer statements of one compiled script."""

    __slots__ = ("server", "log", "script", "xlog_size", "table", "error_body", "abort_on_assert")

    def __init__(self, server: Any, script: Script, xlog_size: int = 4096, abort_on_assert: bool = False) -> None:
        self.server = server
        self.log = server.log
        self.script = script
        self.xlog_size = xlog_size
        self.table: dict[str, RouteFn] = {}
        """Bodies of route[x] by name, for route($var); the main route is "0"."""
        self.error_body: RouteFn | None = None
        """Body of error_route."""
        self.abort_on_assert = abort_on_assert

    # ------------------------------------------------------------------------------------------------------- errors
    def fault(self, ctx: Context, error: Exception) -> int:
        """A statement raised: log it with its place; the code the statement gets."""
        file, line = _place(error)
        if isinstance(error, ScriptError | TransportError):
            self.log.error("%s (%s:%d)", error, file, line)
            return error.code or -1
        if isinstance(error, SipParseError):
            note_fault(ctx, error.part, error)
            return E_UNSPEC
        if isinstance(error, ConfigError):
            self.log.error("%s (%s:%d)", error.message, file, line)
            return E_UNSPEC
        self.log.exception(error, f"unexpected error at {file}:{line}")
        return E_UNSPEC

    def assign_fault(self, ctx: Context, error: Exception) -> int:
        """An assignment raised: -1 whatever it was."""
        self.fault(ctx, error)
        return E_UNSPEC

    def loop_limit(self, file: str, line: int) -> None:
        """A while reached max_while_loops."""
        self.log.error("too many rounds of a while loop, raise max_while_loops if they are meant (%s:%d)", file, line)

    def no_list(self, file: str, line: int) -> int:
        """A for over a variable without [*]."""
        self.log.error("for needs a list, write [*] behind the variable (%s:%d)", file, line)
        return E_SCRIPT

    # ------------------------------------------------------------------------------------------------------ logging
    def xlog(self, level: int, text: str) -> int:
        """A line of xlog(): 1, or -1 when it is longer than xlog_buf_size."""
        if len(text) >= self.xlog_size:
            self.log.error("xlog text of %d bytes does not fit, xlog_buf_size is %d", len(text), self.xlog_size)
            return -1
        self.log.xlog(level, text)
        return 1

    def xlog_level(self, value: Value) -> int:
        """The level when it is a variable: a number; nothing is printed at one that does not exist. A text, also a word like
        L_ERR, is an error of the statement."""
        number = number_of(value)
        if number is None:
            raise ScriptError(f"an xlog level in a variable is a number, not {print_of(value)!r}")
        return number if number > 0 or -3 <= number < 0 else NEVER

    def trace(self, ctx: Context, kind: str, action: str, file: str, line: int) -> None:
        """The line of script_trace() for the statement that comes next: ctx.slots["script_trace"] is (level, print, info),
        print(ctx) gives the text."""
        wanted = ctx.slots.get("script_trace") if ctx.slots is not None else None
        if wanted is None:
            return
        level, text, info = wanted
        if level <= self.log.level and level >= -3 and level != 0:
            self.log.write(
                level, "core", "script_trace", f"[Script Trace][{file}:{line}][{info}][{kind} {action}] -> ({text(ctx)})",
            )

    def plain_log(self, level: int, text: str) -> int:
        """log(level, text)."""
        if level <= self.log.level and level >= -3 and level != 0:
            self.log.write(level, "core", "log", text)
        return 1

    def error_statement(self, first: str, second: str) -> int:
        """error("a", "b")."""
        self.log.error('error("%s", "%s") does nothing', first, second)
        return 1

    # ------------------------------------------------------------------------------------------------------- routes
    def find_route(self, name: Value) -> RouteFn | None:
        """The body of the route that a variable or a format names; None (and a log line) for an unknown one."""
        text = text_of(name)
        found = self.table.get(text) if text is not None else None
        if found is None:
            self.log.alert("route(%s): there is no such route", print_of(name))
        return found

    def call_route(self, ctx: Context, body: RouteFn, title: str, params: Any) -> int:
        """route(x) of a script that asks for its route stack, or may recurse: keeps the stack and its limit."""
        stack = ctx.route_stack
        if stack is None:
            stack = ctx.route_stack = ["route"]
        if len(stack) >= MAX_DEPTH:
            self.log.error("too many nested routes (%d), the last is %s", len(stack), stack[-1])
            return E_UNSPEC
        stack.append(title)
        outer, ctx.params = ctx.params, params
        code = body(ctx)
        ctx.params = outer
        stack.pop()
        return code

    def entry(self, body: RouteFn, title: str) -> RouteFn:
        """A route as a top route: with a stack of its own. A resume route is of the kind of the route that called async()."""
        kinds = _KINDS if title.startswith("route[") else {}

        def run(ctx: Context) -> int:
            outer, ctx.route_stack = ctx.route_stack, [kinds.get(ctx.kind, "") + title]
            code = body(ctx)
            ctx.route_stack = outer
            return code

        return run

    def error_route(self, ctx: Context) -> bool:
        """Run the error_route for the pending fault; True: it ended the script."""
        body = self.error_body
        if body is None or ctx.kind & (ONREPLY | LOCAL | ERROR):
            return False
        if ctx.slots is None:
            ctx.slots = {}
        if IN_ERROR_ROUTE in ctx.slots:
            return False  # an error in the error_route does not start it again
        ctx.slots[IN_ERROR_ROUTE] = True
        stack = ctx.route_stack
        if stack is not None:
            stack.append("error_route")
        outer, ctx.params = ctx.params, None
        code = body(ctx)
        ctx.params = outer
        ctx.error = None
        del ctx.slots[IN_ERROR_ROUTE]
        if stack is not None:
            stack.pop()
        return code == 0

    def failed_assert(self, ctx: Context, text: str, file: str, line: int) -> int:
        """An assert that does not hold: logged, error_route, the script ends."""
        self.log.critical("ASSERTION FAILED%s at %s:%d", f" ({text})" if text else "", file, line)
        if self.abort_on_assert:
            self.log.flush()
            os.abort()
        ctx.error = ScriptFault(ASSERT, CRITICAL, "assertion failed", 500, "server error")
        self.error_route(ctx)
        ctx.error = None
        return 0

    # ---------------------------------------------------------------------------------------------------- variables
    def write_iterator(self, target: Var, ctx: Context, value: Value) -> bool:
        """Give the iterator of a for its next value; False (logged) when it refuses."""
        try:
            setter = getattr(target, "assign", None) if target.name == "json" else target.set
            assert setter is not None
            setter(ctx, value)
            return True
        except ScriptError as error:
            self.log.error("for: %s", error)
            return False


def _place(error: BaseException) -> tuple[str, int]:
    """Where in the script an exception came from: the frame of the route that caught it."""
    trace: TracebackType | None = error.__traceback__
    if trace is None:
        return "", 0
    frame = trace.tb_frame
    if "PLACES" not in frame.f_globals:
        return frame.f_code.co_filename, trace.tb_lineno
    return place_of(frame.f_globals, frame.f_code.co_filename, trace.tb_lineno)
