"""One persistent connection to a subscriber.

Events wait in a queue until the connection takes them, at most `timeout` seconds and at most MOST_QUEUED of them: beyond that
they are lost and the log says so, so a subscriber that does not read costs neither time nor more memory. The connection is
made for the first event and, when it broke, for the next one; while it is being made events queue up. An event with an id
is a request: it is over when its answer comes, when its time is over or when the connection breaks.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

MOST_QUEUED: Final = 4096
"""Events of one connection that may wait."""
MOST_UNREAD: Final = 1 << 16
"""Bytes of an answer that is not complete yet."""


class Stream(asyncio.Protocol):
    """The connection to one address. timeout in seconds."""

    def __init__(self, ip: str, port: int, timeout: float, loop: asyncio.AbstractEventLoop, log: Any) -> None:
        self.ip = ip
        self.port = port
        self.timeout = timeout
        self.loop = loop
        self.log = log
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._paused = False
        self._queue: deque[tuple[float, bytes, int, str]] = deque()
        """(deadline, document, id, event) of what could not be written yet."""
        self._asked: dict[int, tuple[float, str]] = {}
        """Requests without an answer, in the order of their deadlines: id -> (deadline, event)."""
        self._timer: asyncio.TimerHandle | None = None
        self._unread = b""
        self._closed = False
        self._turned_away = 0
        """Events that found the queue full since the last line about losses."""

    def __str__(self) -> str:
        return f"{self.ip}:{self.port}"

    def report(self, write: Callable[..., None], text: str, *args: object) -> None:
        """A log line that is no event: the subscriber may be one of E_CORE_LOG."""
        with self.log.root.without_event():
            write(text, *args)

    # ---- sending ----

    def send(self, data: bytes, ident: int, event: str) -> None:
        """Send an event soon. ident: its answer is waited for; 0: it has none."""
        if self._closed:
            return
        if len(self._queue) + len(self._asked) >= MOST_QUEUED:
            if not self._turned_away:
                self.report(self.log.error, "event %s is lost: %d events wait for %s already", event, MOST_QUEUED, self)
            self._turned_away += 1
            return
        deadline = self.loop.time() + self.timeout
        if self._transport is not None and not self._paused and not self._queue:
            self._write(deadline, data, ident, event)
        else:
            self._queue.append((deadline, data, ident, event))
            if self._transport is None and self._connecting is None:
                self._connecting = self.loop.create_task(self._connect(), name=f"event_stream {self}")
        if (self._queue or self._asked) and self._timer is None:
            self._timer = self.loop.call_at(deadline, self._expire)

    def _write(self, deadline: float, data: bytes, ident: int, event: str) -> None:
        assert self._transport is not None
        self._transport.write(data)
        if ident:
            self._asked[ident] = (deadline, event)

    def _flush(self) -> None:
        queue = self._queue
        while queue and self._transport is not None and not self._paused:
            self._write(*queue.popleft())

    def _expire(self) -> None:
        """Forget what has taken too long."""
        self._timer = None
        now = self.loop.time()
        late = []
        while self._queue and self._queue[0][0] <= now:
            late.append(self._queue.popleft()[3])
        for ident in [ident for ident, (deadline, _) in self._asked.items() if deadline <= now]:
            late.append(self._asked.pop(ident)[1])
        self._lost(late, f"timeout for {self}")
        due = [self._queue[0][0]] if self._queue else []
        due += [min(deadline for deadline, _ in self._asked.values())] if self._asked else []
        if due:
            # Not event by event: a tenth of the time late is early enough, and one log line tells of many.
            self._timer = self.loop.call_at(max(min(due), now + self.timeout / 10), self._expire)

    # ---- the connection ----

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self.timeout):
                await self.loop.create_connection(lambda: self, self.ip, self.port)
        except OSError as error:
            reason = "nobody answers" if isinstance(error, TimeoutError) else error.strerror or str(error)
            self._fail(f"cannot connect to {self}: {reason}")
        finally:
            self._connecting = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # The transports of uvloop do not inherit from those of asyncio.
        stream = cast(asyncio.Transport, transport)
        if self._closed:
            stream.abort()
            return
        self._transport = stream
        self._paused = False
        self._unread = b""
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        if self._transport is None:
            return
        self._transport = None
        if not self._closed:
            self.report(self.log.info, "connection to %s closed%s", self, f": {error}" if error else "")
            self._fail(f"the connection to {self} broke")

    def pause_writing(self) -> None:
        """Called by the loop: the peer does not keep up."""
        self._paused = True

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._paused = False
        self._flush()

    def _fail(self, reason: str) -> None:
        """What waits is lost."""
        lost = [entry[3] for entry in self._queue] + [event for _, event in self._asked.values()]
        self._queue.clear()
        self._asked.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lost(lost, reason)

    def _lost(self, events: list[str], reason: str) -> None:
        """One log line for many events: a subscriber in trouble must not fill the log."""
        if not events:
            return
        count = len(events) + self._turned_away
        self._turned_away = 0
        self.report(self.log.error, "%s, %d event(s) lost, the first one %s", reason, count, events[0])

    def close(self) -> None:
        """For good."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            # What is in the buffers still goes out.
            self._transport.close()
            self._transport = None

    # ---- answers ----

    def data_received(self, data: bytes) -> None:
        """Called by the loop. Without requests there is nothing to read; the bytes are thrown away."""
        if not self._asked:
            return
        text = (self._unread + data).decode("latin-1")
        decoder = json.JSONDecoder()
        while True:
            text = text.lstrip()
            if not text:
                break
            try:
                answer, end = decoder.raw_decode(text)
            except ValueError:
                if text[0] == "{" and len(text) <= MOST_UNREAD:
                    break
                self._bad("no JSON-RPC answer")
                return
            text = text[end:]
            if not self._take(answer):
                return
        self._unread = text.encode("latin-1")

    def _take(self, answer: Any) -> bool:
        """One answer; False: the connection is of no use."""
        ident = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(ident, int) or isinstance(ident, bool):
            self._bad("an answer without an id")
            return False
        asked = self._asked.pop(ident, None)
        if asked is None:
            self.report(self.log.info, "%s answers an event it was not asked about (id %d)", self, ident)
        elif "error" in answer:
            self.report(self.log.error, "%s refuses event %s: %s", self, asked[1], answer["error"])
        return True

    def _bad(self, reason: str) -> None:
        self.report(self.log.error, "%s from %s", reason, self)
        transport = self._transport
        if transport is not None:
            transport.abort()
