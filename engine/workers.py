"""Workers: script code may wait without anything being a coroutine.

OpenSIPS runs scripts in worker processes that simply block. Here a worker is a greenlet: the event loop (the hub) hands
it work, the work runs as plain function calls, and when it must wait for an awaitable it parks: the hub goes on with
other work in another worker and comes back when the result is there. A run that never waits costs two switches per
burst of messages, nothing per call, and the compiled script needs no async colour.

Script variables ($var) belong to the process and two runs never interleave in an OpenSIPS process, so a run that parks
takes its own copy along (on_park) and puts it back when it goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class Workers:
    """The pool of one server. run() is called by the loop's callbacks, wait() by whatever runs inside."""

    def __init__(self) -> None:
        self._idle: list[greenlet] = []
        self.parked = 0
        # Called in the worker before it parks; gives back what is called with no arguments when it goes on.
        self.on_park: Callable[[], Callable[[], None]] | None = None
        self.on_error: Callable[[BaseException], None] | None = None

    def _serve(self, call: Callable[[], object]) -> object:
        """Body of a worker greenlet: do one piece of work, go idle, get the next."""
        me = getcurrent()
        while True:
            try:
                call()
            except Exception as error:
                if self.on_error is None:
                    raise
                self.on_error(error)
            self._idle.append(me)
            # The hub is whoever switches to us next; greenlet's parent is the loop's greenlet.
            call = me.parent.switch()

    def run(self, call: Callable[[], object]) -> None:
        """Do call() in a worker; returns when it has finished or parked. From inside a worker: just a call."""
        current = getcurrent()
        if current.parent is not None:
            call()
            return
        if self._idle:
            self._idle.pop().switch(call)
        else:
            greenlet(self._serve).switch(call)

    def wait(self, awaitable: Awaitable[T]) -> T:
        """The result of awaitable; parks the calling worker until it is there. Raises what the awaitable raises."""
        me = getcurrent()
        hub = me.parent
        if hub is None:
            raise RuntimeError("wait() outside of a worker: use await")
        future = asyncio.ensure_future(awaitable)
        if future.done():
            return future.result()
        restore = self.on_park() if self.on_park is not None else None
        future.add_done_callback(lambda _done: me.switch())
        self.parked += 1
        try:
            hub.switch()
        finally:
            self.parked -= 1
            if restore is not None:
                restore()
        return future.result()

    @staticmethod
    def can_wait() -> bool:
        """True inside a worker, where wait() may be used."""
        return getcurrent().parent is not None


async def in_worker(workers: Workers, call: Callable[[], Any]) -> Any:
    """Await the result of call(), which runs in a worker (and may wait there): the bridge from coroutines to scripts."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def work() -> None:
        try:
            result = call()
        except Exception as error:
            if not done.cancelled():
                done.set_exception(error)
        else:
            if not done.cancelled():
                done.set_result(result)

    workers.run(work)
    return await done
