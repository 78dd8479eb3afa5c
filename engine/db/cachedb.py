"""What cache_store(), cache_fetch() and their kin talk to: key-value stores of modules (cachedb_local, cachedb_redis ...).

A module registers a store under each id scripts use: "local", "redis:cluster1". Operations give their result at once or an
awaitable of it; the script then waits without holding up others. Expiry is in seconds, 0 for never.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from engine.errors import ScriptError

Cell = str | int | None


class CacheStore(Protocol):
    """A store. Failures are ScriptError; its message is logged and its code returned to the script."""

    def store(self, key: str, value: str, expire: int) -> None | Awaitable[None]:
        """Set a value."""

    def fetch(self, key: str) -> str | None | Awaitable[str | None]:
        """A value, None when the key is unknown."""

    def remove(self, key: str) -> None | Awaitable[None]:
        """Forget a key; an unknown one is no error."""

    def add(self, key: str, step: int, expire: int) -> int | Awaitable[int]:
        """Count up (or down); an unknown key starts at 0. The new value. ScriptError when the value is no number."""

    def counter(self, key: str) -> int | None | Awaitable[int | None]:
        """The number of a key, None when it is unknown. ScriptError when the value is no number."""

    def raw_query(self, query: str, columns: int) -> list[list[Cell]] | Awaitable[list[list[Cell]]]:
        """Rows of a query in the store's own language. ScriptError when it has none."""


class CacheStores:
    """The stores of one server by id."""

    def __init__(self) -> None:
        self._stores: dict[str, CacheStore] = {}

    def register(self, ident: str, store: CacheStore) -> None:
        """Make a store known under an id: the word before the colon of its URL, with ":group" when it has one."""
        self._stores[ident] = store

    def find(self, ident: str) -> CacheStore:
        """The store of an id. Raises ScriptError when no module provides it."""
        found = self._stores.get(ident)
        if found is None:
            raise ScriptError(f"no cache system {ident!r} is loaded")
        return found
