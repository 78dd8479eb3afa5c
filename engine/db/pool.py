"""Connections to a database server, kept and shared: what drivers of database servers have in common.

A Pool belongs to one URL. It opens connections when statements meet, up to a limit, and gives each statement one for itself.
A statement that gets no answer in time costs its connection; a connection that is lost is replaced and the statement repeated.
While the server cannot be reached only one attempt in a while is made (0.25 s, then 0.5, 1, 2 s apart), and everybody else is
told so at once: nobody waits in line for a database that is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from engine.db.interface import DbValue, Delete, Result, Row, Upsert, Where
from engine.db.meter import QueryMeter
from engine.db.sql import Sql, Statement
from engine.errors import DbError

T = TypeVar("T")

BACKOFF: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds between attempts to connect; the last one is kept."""


class Lost(DbError):
    """The connection does not live any more; the statement may or may not have been carried out."""


class Wire(Protocol):
    """One connection of a driver. Raises Lost, DbRefused and DbError."""

    async def fetch(self, statement: Statement) -> list[Row]:
        """Rows of a statement."""

    def chunks(self, statement: Statement, size: int) -> AsyncIterator[list[Row]]:
        """Rows of a statement, size at a time, none of them held here."""

    async def change(self, statement: Statement) -> int:
        """Rows changed."""

    async def insert(self, statement: Statement) -> int:
        """The automatic number of the new row, 0 when there is none."""

    async def replace(self, table: str, row: Mapping[str, DbValue]) -> None:
        """Add a row in place of one with the same unique key."""

    async def batch(self, statements: Sequence[Statement]) -> None:
        """All of them in one transaction."""

    async def raw(self, sql: str) -> Result:
        """A statement as it is."""

    def abort(self) -> None:
        """Drop the connection, without a word to the server."""

    async def close(self) -> None:
        """Take leave of the server."""


class Limits(NamedTuple):
    """size: connections. timeout: seconds a server may take to accept a connection or to answer, None: for ever. retries: how
    often a statement is repeated whose connection was lost. threshold: microseconds after which a statement is logged as slow,
    0: never."""

    size: int = 10
    timeout: float | None = 5.0
    retries: int = 2
    threshold: int = 0


class Pool:
    """The connections to one URL.

    title: the URL for logs. open_wire(): makes a connection, raises DbError. told(connected): called when the server is lost
    and when it is back. meter: counts the statements.
    """

    def __init__(
        self, title: str, open_wire: Callable[[], Awaitable[Wire]], log: Any, limits: Limits,
        told: Callable[[bool], None] | None = None, meter: QueryMeter | None = None,
    ) -> None:
        self._meter = meter
        self.users = 0
        """Handles on this pool; the last one closes it."""
        self._title = title
        self._open_wire = open_wire
        self._log = log
        self._limits = limits
        self._told = told
        self._idle: list[Wire] = []
        self._room = asyncio.Semaphore(max(1, limits.size))
        self._failures = 0
        self._next_try = 0.0
        self._why = ""
        self._closed = False

    async def run(self, work: Callable[[Wire], Awaitable[T]], what: str) -> T:
        """The result of work(connection). Raises DbError."""
        loop = asyncio.get_running_loop()
        limits = self._limits
        attempt = 0
        while True:
            wire = await self.take()
            start = loop.time()
            try:
                async with asyncio.timeout(limits.timeout):
                    result = await work(wire)
            except TimeoutError:
                raise self.drop(wire, f"no answer within {limits.timeout:g} s") from None
            except Lost as error:
                again = attempt < limits.retries
                failure = self.drop(wire, str(error), again)
                if not again:
                    raise failure from None
                attempt += 1
                continue
            except DbError:
                self.give_back(wire)
                raise
            except BaseException:
                # Cancelled in the middle: the connection is not where it was.
                wire.abort()
                self._room.release()
                raise
            self.give_back(wire)
            took = loop.time() - start
            if self._meter is not None and self._meter.done(took, limits.threshold, "sql query", what):
                self._log.warning("slow query: %d us (exec_query_threshold is %d): %s", took * 1e6, limits.threshold, what)
            return result

    # ---------------------------------------------------------------- connections

    async def take(self) -> Wire:
        """A connection for one's own, to be given back or dropped. Raises DbError."""
        await self._room.acquire()
        try:
            if self._closed:
                raise DbError(f"{self._title}: connection is closed")
            return self._idle.pop() if self._idle else await self._open()
        except BaseException:
            self._room.release()
            raise

    def give_back(self, wire: Wire) -> None:
        """The connection is fine."""
        self._room.release()
        if self._closed:
            wire.abort()
        else:
            self._idle.append(wire)

    def drop(self, wire: Wire, why: str, again: bool = False) -> DbError:
        """The connection is not; those that lie idle are hardly better. again: the same statement will be repeated at once."""
        wire.abort()
        self._room.release()
        for other in self._idle:
            other.abort()
        self._idle.clear()
        if not again:
            self._down(why)
        return DbError(f"{self._title}: {why}")

    async def _open(self) -> Wire:
        loop = asyncio.get_running_loop()
        wait = self._next_try - loop.time()
        if wait > 0:
            raise DbError(f"{self._title}: {self._why} (the next attempt is made in {wait:.1f} s)")
        if self._failures:
            # One tries, the others do not wait for the outcome.
            self._next_try = loop.time() + (self._limits.timeout or 60.0)
        try:
            async with asyncio.timeout(self._limits.timeout):
                wire = await self._open_wire()
        except TimeoutError:
            why = f"the server accepts no connection within {self._limits.timeout:g} s"
        except DbError as error:
            why = str(error)
        else:
            if self._failures:
                self._log.notice("%s: connected again", self._title)
                if self._told is not None:
                    self._told(True)
            self._failures = 0
            self._next_try = 0.0
            return wire
        self._down(why)
        raise DbError(f"{self._title}: {why}")

    def _down(self, why: str) -> None:
        if not self._failures:
            self._log.error("%s: %s", self._title, why)
            if self._told is not None:
                self._told(False)
        self._why = why
        self._next_try = asyncio.get_running_loop().time() + BACKOFF[min(self._failures, len(BACKOFF) - 1)]
        self._failures += 1

    async def connect(self, attempts: int = 1) -> None:
        """Have a connection, now. Raises DbError."""
        while True:
            attempts -= 1
            try:
                self.give_back(await self.take())
                return
            except DbError:
                if attempts <= 0:
                    raise
                await asyncio.sleep(max(0.0, self._next_try - asyncio.get_running_loop().time()))

    async def close(self) -> None:
        """End all connections."""
        self._closed = True
        idle, self._idle = self._idle, []
        for wire in idle:
            try:
                async with asyncio.timeout(1.0):
                    await wire.close()
            except (DbError, TimeoutError, OSError):
                wire.abort()


class PooledConnection:
    """A handle on a pool (engine.db.interface.Connection)."""

    def __init__(self, pool: Pool, sql: Sql, closed: Callable[[], Awaitable[None]]) -> None:
        self._pool = pool
        self._sql = sql
        self._on_close: Callable[[], Awaitable[None]] | None = closed

    async def _run(self, work: Callable[[Wire], Awaitable[T]], what: str) -> T:
        if self._on_close is None:
            raise DbError("connection is closed")
        return await self._pool.run(work, what)

    async def query(
        self, table: str, columns: Sequence[str], where: Sequence[Where] = (), order: str = "", limit: int = 0,
    ) -> list[Row]:
        """Rows of a table."""
        statement = self._sql.select(table, columns, where, order, limit)
        return await self._run(lambda wire: wire.fetch(statement), statement.text)

    async def query_all(self, table: str, columns: Sequence[str], order: str = "", size: int = 1000) -> AsyncIterator[list[Row]]:
        """All rows of a table, size at a time; the connection is held meanwhile."""
        pool = self._pool
        wire = await pool.take()
        chunks = wire.chunks(self._sql.select(table, columns, (), order), size)
        finished = False
        try:
            async for rows in chunks:
                yield rows
            finished = True
        except Lost as error:
            finished = True
            raise pool.drop(wire, str(error)) from None
        except DbError:
            finished = True
            pool.give_back(wire)
            raise
        else:
            pool.give_back(wire)
        finally:
            if not finished:
                pool.drop(wire, "", True)

    async def insert(self, table: str, values: Mapping[str, DbValue]) -> int:
        """Add a row; its automatic number."""
        statement = self._sql.insert(table, values)
        return await self._run(lambda wire: wire.insert(statement), statement.text)

    async def replace(self, table: str, values: Mapping[str, DbValue]) -> None:
        """Add a row in place of one with the same unique key."""
        await self._run(lambda wire: wire.replace(table, values), f"REPLACE INTO {table}")

    async def update(self, table: str, values: Mapping[str, DbValue], where: Sequence[Where]) -> int:
        """Change rows; how many."""
        statement = self._sql.update(table, values, where)
        return await self._run(lambda wire: wire.change(statement), statement.text)

    async def delete(self, table: str, where: Sequence[Where] = ()) -> int:
        """Delete rows; how many."""
        statement = self._sql.delete(table, where)
        return await self._run(lambda wire: wire.change(statement), statement.text)

    async def batch(self, operations: Sequence[Upsert | Delete]) -> None:
        """Several changes in one transaction."""
        statements = self._sql.batch(operations)
        if statements:
            await self._run(lambda wire: wire.batch(statements), statements[0].text)

    async def raw(self, sql: str) -> Result:
        """Run a statement as it is."""
        return await self._run(lambda wire: wire.raw(sql), sql)

    async def close(self) -> None:
        """Let go of the pool."""
        done, self._on_close = self._on_close, None
        if done is not None:
            await done()


class Pools:
    """The pools of a driver by URL: modules that name the same one share its connections."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}

    async def connect(self, text: str, make: Callable[[], Pool], sql: Sql, attempts: int = 1) -> PooledConnection:
        """A handle on the pool of a URL, which is made and tried when it is the first. Raises DbError."""
        pool = self._pools.get(text)
        if pool is None:
            pool = make()
            try:
                await pool.connect(attempts)
            except BaseException:
                await pool.close()
                raise
            pool = self._pools.setdefault(text, pool)
        kept = pool
        kept.users += 1

        async def closed() -> None:
            kept.users -= 1
            if not kept.users:
                self._pools.pop(text, None)
                await kept.close()

        return PooledConnection(kept, sql, closed)
