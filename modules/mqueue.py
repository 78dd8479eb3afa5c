"""mqueue: queues of (key, value) between runs of the script, for work that somebody else does later.

Manual: OpenSIPS 3.6, module mqueue. What mq_fetch() took out is read by $mqk and $mqv until the next fetch.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from engine.db.interface import Connection, find_driver
from engine.errors import ConfigError, DbError, MiError
from engine.module import ALL_ROUTES, Context, Module, Value, function, mi_command, modparam, pvar

OLDEST, NEWEST = 1, 2
"""addmode: of several items with one key the first one is kept, the last one is kept; 0: all are."""


class Definition(NamedTuple):
    """One modparam line."""

    name: str
    size: int
    dbmode: int
    addmode: int


def _definition(text: str) -> Definition:
    """"name=q;size=20;dbmode=1;addmode=2"."""
    found: dict[str, Any] = {"name": "", "size": 0, "dbmode": 0, "addmode": 0}
    for piece in text.split(";"):
        key, _, value = (part.strip() for part in piece.partition("="))
        key = key.lower()
        if not key:
            continue
        if key not in found:
            raise ValueError(f"unknown attribute {key!r}, there are name, size, dbmode and addmode")
        if key == "name":
            found[key] = value
        else:
            found[key] = int(value)
    if not found["name"]:
        raise ValueError(f"no name in {text!r}")
    if found["addmode"] not in (0, 1, 2) or found["dbmode"] not in (0, 1, 2, 3):
        raise ValueError(f"addmode is 0 ... 2 and dbmode is 0 ... 3 in {text!r}")
    return Definition(**found)


class Queue:
    """One queue; with an addmode it is ordered by dict, otherwise a key may occur many times."""

    __slots__ = ("definition", "items", "unique", "fetched")

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.items: deque[tuple[str, str]] = deque()
        self.unique: dict[str, str] = {}
        self.fetched: tuple[str, str] | None = None
        """What $mqk and $mqv show."""

    def __len__(self) -> int:
        return len(self.unique) if self.definition.addmode else len(self.items)

    def add(self, key: str, value: str) -> None:
        """Append an item; above the size the oldest one goes."""
        mode = self.definition.addmode
        if mode == OLDEST and key in self.unique:
            return
        if mode:
            self.unique.pop(key, None)
            self.unique[key] = value
        else:
            self.items.append((key, value))
        if 0 < self.definition.size < len(self):
            self.take()

    def take(self) -> tuple[str, str] | None:
        """Remove the oldest item and give it, None from an empty queue."""
        if not self.definition.addmode:
            return self.items.popleft() if self.items else None
        if not self.unique:
            return None
        key = next(iter(self.unique))
        return key, self.unique.pop(key)


class MQueue(Module):
    """The module."""

    db_url = modparam(str, "", help="where queues with a dbmode are kept while the server is down")
    mqueue = modparam(str, None, multi=True, parse=_definition,
                      help="name=q;size=n;dbmode=n;addmode=n: a queue. dbmode: 1 read at start and written at stop, 2 read "
                           "only, 3 written only. addmode: 1 keep the oldest of a key, 2 the newest")

    def mod_init(self) -> None:
        self.queues: dict[str, Queue] = {}
        for definition in self.mqueue:
            if definition.name in self.queues:
                raise ConfigError(f"mqueue: queue redefined: {definition.name}")
            self.queues[definition.name] = Queue(definition)
        if not self.queues:
            self.log.warning("no mqueue defined")
        url = self.db_url or self.server.settings.db_default_url
        if any(queue.definition.dbmode for queue in self.queues.values()):
            if not url:
                raise ConfigError("mqueue: a queue has a dbmode, but there is no db_url")
            find_driver(self.server.registry, url)
        self._url = url

    # ---- persistency: a table named as the queue, columns id, key, val ----

    async def _connect(self) -> Connection:
        driver, url = find_driver(self.server.registry, self._url)
        return await driver.connect(url)

    async def child_init(self) -> None:
        wanted = [queue for queue in self.queues.values() if queue.definition.dbmode in (1, 2)]
        if not wanted:
            return
        try:
            connection = await self._connect()
            try:
                for queue in wanted:
                    name = queue.definition.name
                    for key, value in await connection.query(name, ["key", "val"], order="id"):
                        if key is None or value is None:
                            raise ConfigError(f"mqueue: table {name} has a row without key or value")
                        queue.add(str(key), str(value))
                    await connection.delete(name)
            finally:
                await connection.close()
        except DbError as error:
            raise ConfigError(f"mqueue: cannot load the queues: {error}") from None

    async def destroy(self) -> None:
        wanted = [queue for queue in self.queues.values() if queue.definition.dbmode in (1, 3) and len(queue)]
        if not wanted:
            return
        connection = await self._connect()
        try:
            for queue in wanted:
                while (item := queue.take()) is not None:
                    await connection.insert(queue.definition.name, {"key": item[0], "val": item[1]})
        finally:
            await connection.close()

    # ---- functions ----

    @function(ALL_ROUTES)
    def mq_add(self, ctx: Context, queue: str, key: str, value: str) -> int:
        """Append an item; the oldest one goes when the queue is full. 1; -1 no such queue."""
        found = self.queues.get(queue)
        if found is None:
            self.log.error("mqueue not found: %s", queue)
            return -1
        found.add(key, value)
        return 1

    @function(ALL_ROUTES)
    def mq_fetch(self, ctx: Context, queue: str) -> int:
        """Take the oldest item, for $mqk(queue) and $mqv(queue). 1; -2 the queue is empty, -1 there is none of that name."""
        found = self.queues.get(queue)
        if found is None:
            return -1
        found.fetched = found.take()
        return -2 if found.fetched is None else 1

    @function(ALL_ROUTES)
    def mq_pv_free(self, ctx: Context, queue: str) -> int:
        """Empty $mqk(queue) and $mqv(queue). 1."""
        found = self.queues.get(queue)
        if found is not None:
            found.fetched = None
        return 1

    @function(ALL_ROUTES)
    def mq_size(self, ctx: Context, queue: str) -> int:
        """How many items are in the queue; -1 it is empty, -2 there is none of that name."""
        found = self.queues.get(queue)
        if found is None:
            self.log.error("mqueue %s not found", queue)
            return -2
        return len(found) or -1

    # ---- variables ----

    def _known(self, name: str) -> Queue | None:
        found = self.queues.get(name)
        if found is None:
            self.log.error("mqueue not found: %s", name)
        return found

    @pvar("mqk")
    def key(self, ctx: Context, name: str) -> Value:
        """$mqk(queue): key of the item fetched last, NULL without one."""
        found = self._known(name)
        return found.fetched[0] or None if found is not None and found.fetched is not None else None

    @pvar("mqv")
    def value(self, ctx: Context, name: str) -> Value:
        """$mqv(queue): value of the item fetched last, NULL without one."""
        found = self._known(name)
        return found.fetched[1] or None if found is not None and found.fetched is not None else None

    @pvar("mq_size")
    def size(self, ctx: Context, name: str) -> Value:
        """$mq_size(queue): how many items are in it, NULL when there is no such queue."""
        found = self._known(name)
        return None if found is None else len(found)

    # ---- MI ----

    def _queue(self, name: str) -> Queue:
        found = self.queues.get(name)
        if found is None:
            raise MiError(404, "No such queue")
        return found

    @mi_command("mq_get_sizes", help="sizes of all queues")
    def mi_sizes(self) -> dict[str, Any]:
        """{"Queue": [{"name", "size"}]}, the queue defined last comes first."""
        return {"Queue": [{"name": name, "size": len(queue)} for name, queue in reversed(self.queues.items())]}

    @mi_command("mq_get_size", help="size of a queue")
    def mi_size(self, name: str) -> dict[str, Any]:
        """{"Queue": {"name", "size"}}; 404: no such queue."""
        return {"Queue": {"name": name, "size": len(self._queue(name))}}

    @mi_command("mq_fetch", help="takes one item, or up to limit items, out of a queue")
    def mi_fetch(self, name: str, limit: int | None = None) -> dict[str, Any] | list[dict[str, Any]]:
        """{"Item": {"key", "value"}}, with limit a list of such items; 404: no such queue, or nothing in it."""
        queue = self._queue(name)
        if limit is None:
            item = queue.take()
            if item is None:
                raise MiError(404, "Empty queue")
            return {"Item": {"key": item[0], "value": item[1]}}
        if limit < 1:
            raise MiError(-32602, "Invalid params")
        taken: list[dict[str, Any]] = []
        while len(taken) < limit and (item := queue.take()) is not None:
            taken.append({"key": item[0], "value": item[1]})
        return taken


exports = MQueue
