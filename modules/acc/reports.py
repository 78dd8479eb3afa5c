"""Reports: one line in the log, rows in a database, events; and the queue in front of the database.

Order and names are OpenSIPS'. A report without CDR has a setuptime that counts from `created`, which is 0 when no CDR is
wanted: so does the reference, and what reads its tables expects it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from engine.db.interface import Connection, DbValue, Driver, Time
from engine.errors import DbError
from engine.events.bus import ABSENT, Event, Value
from engine.log import Log
from modules.acc.account import Account, Facts

REQUEST: Final = "ACC: request accounted: "
MISSED: Final = "ACC: call missed: "
ANSWERED: Final = "ACC: transaction answered: "
ENDED: Final = "ACC: call ended: "

_NAMES: Final = ("method", "from_tag", "to_tag", "call_id", "code", "reason")
_EVENT_NAMES: Final = ("method", "from_tag", "to_tag", "callid", "sip_code", "sip_reason")
_LONGEST: Final = 65533
_MOST_QUEUED: Final = 100_000
"""Rows that may wait for a database that is slow or away."""
_LAST_WRITE: Final = 5.0
"""Seconds the rows that wait may take at the end."""

Fields = Mapping[str, str]
"""Tag -> name in a report."""


def setuptime(account: Account, now: float) -> int:
    """Seconds since the call began."""
    return int(now) - account.created


def duration_ms(account: Account) -> int:
    """Milliseconds from the 2xx to the end."""
    return max(0, round((account.ended - account.answered.time) * 1000)) if account.answered is not None else 0


def log_pairs(facts: Facts, account: Account | None, extra: Fields, legs: Fields) -> str:
    """";name=value" for everything a line shows."""
    parts = [f";{name}={value}" for name, value in zip(_NAMES, facts.values)]
    if account is not None:
        parts += [f";{name}={account.extra.get(tag) or ''}" for tag, name in extra.items()]
        for leg in account.legs or ():
            parts += [f";{name}={leg.get(tag) or ''}" for tag, name in legs.items()]
    return "".join(parts)[:_LONGEST]


def log_request(title: str, facts: Facts, account: Account | None, pairs: str, now: float, brief: bool) -> str:
    """The line for a request or transaction. brief: as 3.1 wrote it."""
    if account is None or brief:
        return f"{title}timestamp={int(facts.time)}{pairs}\n"
    return f"{title}timestamp={int(facts.time)};created={account.created};setuptime={setuptime(account, now)}{pairs}\n"


def log_call(facts: Facts, account: Account, pairs: str) -> str:
    """The line for a call."""
    ms_duration = duration_ms(account)
    return (
        f"{ENDED}created={account.created};call_start_time={int(facts.time)};duration={math.ceil(ms_duration / 1000)};"
        f"ms_duration={ms_duration};setuptime={int(facts.time) - account.created}{pairs}\n"
    )


def rows(
    columns: tuple[str, ...], facts: Facts, account: Account | None, extra: Fields, legs: Fields, more: dict[str, DbValue],
) -> list[dict[str, DbValue]]:
    """The rows of a report: one, or one for each leg. columns: those of the facts and of the time."""
    row: dict[str, DbValue] = dict(zip(columns, facts.values))
    row[columns[6]] = Time(int(facts.time))
    if account is None:
        return [row]
    for tag, name in extra.items():
        row[name] = account.extra.get(tag) or ""
    if account.legs is None:
        return [row | more]
    return [row | {name: leg.get(tag) or "" for tag, name in legs.items()} | more for leg in account.legs]


def raise_event(
    event: Event, facts: Facts, account: Account | None, extra: Fields, legs: Fields, more: Mapping[str, Value],
) -> None:
    """Raise an event, once for each leg."""
    if not event.active:
        return
    params: dict[str, Value] = {name: value or ABSENT for name, value in zip(_EVENT_NAMES, facts.values)}
    params["time"] = int(facts.time)
    values = account.extra if account is not None else {}
    for tag, name in extra.items():
        params[name] = values.get(tag) or ABSENT
    for leg in (account.legs if account is not None and account.legs is not None else [{}]):
        event.publish({**params, **{name: leg.get(tag) or ABSENT for tag, name in legs.items()}, **more})


class Database:
    """Rows on their way into tables, in order, one statement after the other."""

    def __init__(self, server: Any, log: Log) -> None:
        self._server = server
        self._log = log
        self._queue: deque[tuple[str, dict[str, DbValue], asyncio.Future[bool] | None]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._lost = 0
        self.connection: Connection | None = None

    async def open(self, driver: Driver, url: Any) -> Connection:
        """Connect; raises DbError."""
        self.connection = await driver.connect(url)
        return self.connection

    def put(self, table: str, found: list[dict[str, DbValue]]) -> None:
        """Write rows soon."""
        for row in found:
            self._add(table, row, None)

    def ask(self, table: str, found: list[dict[str, DbValue]]) -> asyncio.Future[list[bool]]:
        """Write rows behind those that wait; the result says which of them are in the database."""
        waits: list[asyncio.Future[bool]] = []
        for row in found:
            done: asyncio.Future[bool] = self._server.loop.create_future()
            waits.append(done)
            self._add(table, row, done)
        return asyncio.gather(*waits)

    def _add(self, table: str, row: dict[str, DbValue], done: asyncio.Future[bool] | None) -> None:
        if len(self._queue) >= _MOST_QUEUED or self.connection is None:
            if not self._lost:
                self._log.error("rows for table %s are lost: %d wait for the database already", table, len(self._queue))
            self._lost += 1
            if done is not None:
                done.set_result(False)
            return
        self._queue.append((table, row, done))
        if self._writing is None or self._writing.done():
            self._writing = self._server.loop.create_task(self._write(), name="acc rows")

    async def _write(self) -> None:
        while self._queue and self.connection is not None:
            table, row, done = self._queue.popleft()
            stored = True
            try:
                await self.connection.insert(table, row)
            except DbError as error:
                stored = False
                self._log.error("failed to insert into %s table: %s", table, error)
            if done is not None and not done.done():
                done.set_result(stored)
        if self._lost:
            self._log.error("%d rows were lost while the database was too slow", self._lost)
            self._lost = 0

    async def close(self) -> None:
        """Write what waits, for some seconds, and end."""
        if self._writing is not None and not self._writing.done():
            _, open_ = await asyncio.wait({self._writing}, timeout=_LAST_WRITE)
            for task in open_:
                task.cancel()
                self._log.error("%d rows could not be written to the database", len(self._queue) + 1)
        if self.connection is not None:
            await self.connection.close()
            self.connection = None
