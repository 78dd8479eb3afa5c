"""async() and launch(): work that goes on while the script does not wait for it.

async(f(...), resume) ends the run. What is there at once resumes at once; otherwise the request is suspended (tm keeps its
transaction) and route[resume] runs as a top route when the result has come. launch(f(...), report) lets the script go on;
route[report] runs later with a dummy request. Both look up their route in the script the run began with: a reload meanwhile
does not change what was started.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Final

from engine.errors import ScriptError, TransportError
from engine.script.context import BRANCH, EVENT, FAILURE, LOCAL, REQUEST, STARTUP, TIMER, Context
from engine.script.runtime import Runtime
from engine.workers import in_worker

WITHOUT_REQUEST: Final = EVENT | TIMER | STARTUP
WITHIN_TRANSACTION: Final = BRANCH | FAILURE | LOCAL
TIMED_OUT: Final = -2
"""$rc of a resume route when the timeout of async() ended the wait."""


class Suspension:
    """Starts and resumes for one compiled script."""

    __slots__ = ("runtime", "server")

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.server = runtime.server

    # ------------------------------------------------------------------------------------------------------------ async
    def start_async(self, ctx: Context, call: Callable[..., Any], args: tuple[Any, ...], route: str, timeout: int) -> int:
        """async(call(*args), route, timeout): 0, the run has ended (whatever came of it)."""
        if ctx.kind & WITHOUT_REQUEST:
            return self._start_without_request(ctx, call, args, route, timeout)
        hook = self.server.async_hook
        if hook is None:
            self.runtime.log.error("async() needs the module tm, which is not loaded")
            return 0
        if ctx.kind & WITHIN_TRANSACTION:
            return self._start_within_transaction(ctx, call, args, route, timeout)
        state = hook.suspend(ctx)
        if state == 0:
            return 0  # a retransmission
        if state < 0:
            self.runtime.log.error("async(): the transaction could not be created")
            return self._resume_here(ctx, route, -1)
        try:
            result = call(*args)
        except Exception as error:
            result = self.runtime.fault(ctx, error)
        if not inspect.isawaitable(result):
            hook.resumed(ctx)
            return self._resume_here(ctx, route, code_of(result))
        if getattr(ctx.msg, "method", "") == "ACK":
            # Nobody could pick the run up again: wait here, in this worker.
            code = self._wait_here(ctx, result, timeout)
            hook.resumed(ctx)
            return self._resume_here(ctx, route, code)
        self.server.spawn(self._finish(ctx, hook, result, route, timeout), f"async {route}")
        return 0

    def _start_within_transaction(
        self, ctx: Context, call: Callable[..., Any], args: tuple[Any, ...], route: str, timeout: int,
    ) -> int:
        """async() in a branch, failure or local route: the transaction waits for their end, so the wait is theirs."""
        try:
            result = call(*args)
        except Exception as error:
            result = self.runtime.fault(ctx, error)
        code = self._wait_here(ctx, result, timeout) if inspect.isawaitable(result) else code_of(result)
        return self._resume_here(ctx, route, code)

    def _start_without_request(
        self, ctx: Context, call: Callable[..., Any], args: tuple[Any, ...], route: str, timeout: int,
    ) -> int:
        """async() where there is no request and so no transaction: event, timer and startup routes."""
        try:
            result = call(*args)
        except Exception as error:
            result = self.runtime.fault(ctx, error)
        if not inspect.isawaitable(result):
            return self._resume_here(ctx, route, code_of(result))

        async def finish() -> None:
            try:
                found = await asyncio.wait_for(result, timeout or None)
            except Exception as error:
                found = self._failure(ctx, error)
            await in_worker(self.server.workers, lambda: self._resume(ctx, route, self._code(ctx, found)))

        self.server.spawn(finish(), f"async {route}")
        return 0

    def _wait_here(self, ctx: Context, result: Any, timeout: int) -> int:
        try:
            return code_of(ctx.wait(asyncio.wait_for(result, timeout or None)))
        except Exception as error:
            return self._failure(ctx, error)

    def _code(self, ctx: Context, result: Any) -> int:
        """The code of what was awaited, in the worker of the run that goes on."""
        try:
            return code_of(result)
        except Exception as error:
            return self._failure(ctx, error)

    def _resume_here(self, ctx: Context, route: str, code: int) -> int:
        self._resume(ctx, route, code)
        return 0

    def _resume(self, ctx: Context, route: str, code: int) -> None:
        """Run the resume route as a top route."""
        found = ctx.script.routes.get(route)
        if found is None:
            self.runtime.log.error("async(): route[%s] is gone", route)
            return
        ctx.rc = code
        ctx.params = None
        ctx.returned = ()
        found(ctx)

    async def _finish(self, ctx: Context, hook: Any, result: Any, route: str, timeout: int) -> None:
        """Wait for the result, then go on in a worker."""
        try:
            found = await asyncio.wait_for(result, timeout or None)
        except Exception as error:
            found = self._failure(ctx, error)

        def go_on() -> None:
            if hook.resumed(ctx):
                self._resume(ctx, route, self._code(ctx, found))
                hook.after_resume(ctx)

        await in_worker(self.server.workers, go_on)

    def _failure(self, ctx: Context, error: Exception) -> int:
        """The code for an exception of the awaited function."""
        if isinstance(error, TimeoutError):
            self.runtime.log.warning("async(): the timeout is over")
            return TIMED_OUT
        if isinstance(error, ScriptError | TransportError):
            self.runtime.log.error("%s", error)
            return error.code or -1
        self.runtime.log.exception(error, "unexpected error in async()")
        return -1

    # ----------------------------------------------------------------------------------------------------------- launch
    def launch(self, ctx: Context, call: Callable[..., Any], args: tuple[Any, ...], route: str | None, param: str | None) -> int:
        """launch(call(*args), route, param): 1, or the negative code of a function that could not be started."""
        own = copy_for_launch(ctx)
        result = call(own, *args)
        if inspect.isawaitable(result):
            self.server.spawn(self._report_later(own, result, route, param), f"launch {route or ''}")
            return 1
        code = code_of(result)
        if code < 0:
            return code
        if route is not None:
            self.server.defer(lambda: self._report(own, route, param, code))
        return 1

    async def _report_later(self, own: Context, result: Any, route: str | None, param: str | None) -> None:
        try:
            found = await result
        except Exception as error:
            found = self._failure(own, error)

        def report() -> None:
            code = self._code(own, found)
            if route is not None:
                self._report(own, route, param, code)

        await in_worker(self.server.workers, report)

    def _report(self, own: Context, route: str, param: str | None, code: int) -> None:
        """Run the report route with a dummy request; what the function wrote into AVPs is there."""
        found = own.script.routes.get(route)
        if found is None:
            self.runtime.log.error("launch(): route[%s] is gone", route)
            return
        dummy = self.server.dummy_context(REQUEST)
        dummy.avps = own.avps
        dummy.script = own.script
        dummy.rc = code
        dummy.params = None if param is None else (param,)
        found(dummy)


def code_of(result: Any) -> int:
    """A function's result as a code: True 1, False -1, None 1. A callable is called first: it hands results to variables."""
    if callable(result):
        result = result()
    if result is None:
        return 1
    if result.__class__ is bool:
        return 1 if result else -1
    return int(result)


def copy_for_launch(ctx: Context) -> Context:
    """The run as a launched function sees it: the same message, AVPs of its own."""
    made = Context(ctx.server, ctx.script, ctx.kind, ctx.msg)
    for name in Context.__slots__:
        setattr(made, name, getattr(ctx, name))
    made.avps = {}
    return made
