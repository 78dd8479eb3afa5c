"""cachedb_local: a key-value cache in memory, for cache_store() and its relatives under the name "local".

Manual: OpenSIPS 3.6, module cachedb_local. A collection is a table of keys; a cachedb_url gives a group of the script a
collection ("local" the default one, "local:sessions" that of local:sessions:///NAME). Nothing is shared with other servers:
replication needs a cluster, which is refused at start.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from fnmatch import translate
from pathlib import Path
from typing import Any

from engine.db.cachedb import Cell
from engine.errors import ConfigError, MiError, ScriptError
from engine.module import BRANCH, FAILURE, LOCAL, ONREPLY, REQUEST, STARTUP, Context, Module, function, mi_command, modparam
from engine.script.values import wrap32
from engine.stats import Counter

ROUTES = REQUEST | ONREPLY | FAILURE | BRANCH | LOCAL | STARTUP
DEFAULT = "default"
_NUMBER = re.compile(r"\s*[+-]?[0-9]+\s*\Z")


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A shell pattern: * ? [...], cases count, a backslash takes the meaning from what follows."""
    return re.compile(translate(re.sub(r"\\(.)", lambda found: f"[{found[1]}]", glob)))


class Collection:
    """Keys with their values and the moment they expire (0 never). It is an engine.db.cachedb.CacheStore."""

    __slots__ = ("name", "items", "queries", "_now")

    def __init__(self, name: str, now: Callable[[], float], queries: Counter | None = None) -> None:
        self.name = name
        self.queries = queries or Counter("cdb", "cdb_total_queries")
        self.items: dict[str, tuple[str, float]] = {}
        self._now = now

    def fetch(self, key: str) -> str | None:
        """The value, None when there is none or it has expired."""
        self.queries.count += 1
        return self._value(key)

    def _value(self, key: str) -> str | None:
        found = self.items.get(key)
        if found is None:
            return None
        value, expires = found
        if expires and expires < self._now():
            del self.items[key]
            return None
        return value

    def store(self, key: str, value: str, expire: int = 0) -> None:
        """Set a value for that many seconds. An empty key is refused."""
        if not key:
            raise ScriptError("a cache needs a key")
        self.queries.count += 1
        self.items[key] = (value, self._now() + expire if expire > 0 else 0.0)

    def remove(self, key: str) -> None:
        """Forget a key."""
        self.queries.count += 1
        self.items.pop(key, None)

    def add(self, key: str, step: int, expire: int = 0) -> int:
        """Add to a counter; one that lives keeps its expiry. ScriptError: the value is no number."""
        old = self._number(key)
        if old is None:
            self.store(key, str(step), expire)
            return step
        new = wrap32(old + step)
        self.queries.count += 1
        self.items[key] = (str(new), self.items[key][1])
        return new

    def counter(self, key: str) -> int | None:
        """The value as a number, None when there is none. ScriptError with code -3: it is no number."""
        self.queries.count += 1
        return self._number(key, -3)

    def _number(self, key: str, code: int = -1) -> int | None:
        value = self._value(key)
        if value is None:
            return None
        if not _NUMBER.match(value):
            raise ScriptError(f"the value of {key} is not a number", code)
        return int(value)

    def raw_query(self, query: str, columns: int) -> list[list[Cell]]:
        """There is no query language here."""
        raise ScriptError("cachedb_local has no raw queries")

    def matching(self, glob: str) -> list[str]:
        """Keys that match a shell pattern."""
        match = glob_pattern(glob).match
        return [key for key in self.items if match(key)]

    def clean(self) -> None:
        """Drop what has expired."""
        now = self._now()
        for key in [key for key, (_, expires) in self.items.items() if expires and expires < now]:
            del self.items[key]

    def dump(self) -> dict[str, list[Any]]:
        """Keys -> [value, seconds left or 0], for the file of restart persistency."""
        now = self._now()
        return {key: [value, max(0.1, expires - now) if expires else 0] for key, (value, expires) in self.items.items()}

    def restore(self, dumped: dict[str, list[Any]]) -> None:
        """What dump() gave."""
        now = self._now()
        for key, (value, left) in dumped.items():
            self.items[key] = (value, now + left if left else 0.0)


def _collections(text: str) -> list[tuple[str, bool]]:
    """(name, replicated) of "a; b/r = 5; default=4"; the sizes (powers of two of a hash table) only have to be numbers."""
    found = []
    for piece in text.split(";"):
        name, equals, size = (part.strip() for part in piece.partition("="))
        if not name and not equals:
            continue
        if equals and not size.isdigit():
            raise ValueError(f"bad size {size!r} of collection {name}")
        name, _, mark = name.partition("/")
        if not name or mark not in ("", "r"):
            raise ValueError(f"bad collection {piece.strip()!r}")
        found.append((name.strip(), mark == "r"))
    return found


def _url(text: str) -> tuple[str, str]:
    """(group, collection) of local://, local:///COLLECTION, local:GROUP:///COLLECTION."""
    found = re.fullmatch(r"local:(?:([^:/]+):)?//[^/]*(?:/([^/?]*))?", text)
    if found is None:
        raise ValueError(f"bad URL {text!r}, it looks like local:GROUP:///COLLECTION")
    return found[1] or "", found[2] or DEFAULT


def _some_argument(module: Any, call: Any, literals: list[Any]) -> None:
    """Judge a call of cache_remove_chunk(): both parameters are optional, but one is needed."""
    if not any(argument is not None for argument in call.args):
        raise ConfigError(
            "too few parameters for command <cache_remove_chunk>", hint="it is cache_remove_chunk([collection,] glob)")


class CacheLocal(Module):
    """The module."""

    cachedb_url = modparam(str, None, multi=True, parse=_url, help="local:GROUP:///COLLECTION: which collection a group uses")
    cache_collections = modparam(str, None, multi=True, parse=_collections, help='"name=size; name/r=size": the collections')
    cache_clean_period = modparam(int, 600, min=1, help="seconds between two rounds that drop what has expired")
    exec_threshold = modparam(int, 0, min=0, help="microseconds", effect="no operation on memory is slow enough to be reported")
    cluster_id = modparam(int, 0, help="cluster to replicate in; only 0, none")
    cluster_persistency = modparam(str, "sync-from-cluster", choices=("none", "sync-from-cluster"),
                                   effect="there is no cluster to synchronise from", help="where the data comes from at start")
    enable_restart_persistency = modparam(int, 0, min=0, max=1, help="1: keep the data in a file over a restart")

    def mod_init(self) -> None:
        if self.cluster_id:
            raise ConfigError("cachedb_local: cluster_id: replication needs the module clusterer, which is not available")
        now = self.server.now
        counted = self.server.cdb_queries.total
        self.collections: dict[str, Collection] = {DEFAULT: Collection(DEFAULT, now, counted)}
        for defined in self.cache_collections:
            for name, replicated in defined:
                self.collections.setdefault(name, Collection(name, now, counted))
                if replicated:
                    self.log.warning("collection <%s> is replicated but no 'cluster_id' defined!", name)
        caches = self.server.caches
        for group, name in self.cachedb_url or [("", DEFAULT)]:
            collection = self.collections.get(name)
            if collection is None:
                raise ConfigError(
                    f"cachedb_local: collection <{name}> not defined!",
                    hint=f'modparam("cachedb_local", "cache_collections", "{name}")',
                )
            caches.register(f"local:{group}" if group else "local", collection)
        if self.enable_restart_persistency:
            self._read()

    async def child_init(self) -> None:
        self.server.timers.every(self.cache_clean_period, self._clean)

    async def destroy(self) -> None:
        if self.enable_restart_persistency:
            self._write()

    def _clean(self) -> None:
        for collection in self.collections.values():
            collection.clean()

    # ---- restart persistency ----

    def _file(self) -> Path:
        named = self.server.settings.restart_persistency_cache_file
        return Path(named or ".restart_persistency.cache").with_suffix(".cachedb_local.json")

    def _read(self) -> None:
        path = self._file()
        try:
            dumped = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            self.log.info("no data from an earlier run in %s", path)
            return
        except (OSError, ValueError) as error:
            self.log.error("cannot read %s: %s", path, error)
            return
        # Monotonic time starts anew with the machine, so the file has the seconds that were left, and when it was written.
        away = max(0.0, self.server.wall() - float(dumped.get("time", 0)))
        for name, items in dumped.get("collections", {}).items():
            collection = self.collections.get(name)
            if collection is None:
                self.log.notice("<%s> collection no longer used - cleaning old data!", name)
                continue
            collection.restore({
                key: [value, left - away if left else 0] for key, (value, left) in items.items() if not left or left > away
            })

    def _write(self) -> None:
        path = self._file()
        dumped = {"time": self.server.wall(), "collections": {name: one.dump() for name, one in self.collections.items()}}
        draft = path.with_suffix(".tmp")
        try:
            draft.write_text(json.dumps(dumped), "utf-8")
            os.replace(draft, path)
        except OSError as error:
            self.log.error("cannot write %s: %s", path, error)

    # ---- functions and commands ----

    def _named(self, name: str | None) -> Collection | None:
        collection = self.collections.get(name or DEFAULT)
        if collection is None:
            self.log.error("collection <%s> not defined!", name)
        return collection

    @function(ROUTES, check=_some_argument)
    def cache_remove_chunk(self, ctx: Context, collection: str | None, glob: str | None = None) -> bool:
        """Remove the keys that match a shell pattern from a collection ("default" when left out). 1; -1 unknown collection.

        A single argument is the pattern.
        """
        if glob is None:
            return self._remove(collection or "", None)
        return self._remove(glob, collection)

    def _remove(self, glob: str, name: str | None) -> bool:
        collection = self._named(name)
        if collection is None:
            return False
        for key in collection.matching(glob):
            collection.remove(key)
        return True

    @mi_command("cache_remove_chunk", help="removes all local cache entries that match a pattern")
    def mi_remove_chunk(self, glob: str, collection: str = "") -> None:
        """500 Internal error: there is no such collection."""
        if not self._remove(glob, collection):
            raise MiError(500, "Internal error")

    @mi_command("cache_fetch_chunk", help="shows all local cache entries that match a pattern")
    def mi_fetch_chunk(self, glob: str, collection: str = "") -> dict[str, Any]:
        """{"keys": [{"name", "value"}]}; -32602 when there is no such collection."""
        found = self._named(collection)
        if found is None:
            raise MiError(-32602, "Invalid params")
        items = [(key, found.fetch(key)) for key in found.matching(glob)]
        return {"keys": [{"name": key, "value": value} for key, value in items if value is not None]}


exports = CacheLocal
