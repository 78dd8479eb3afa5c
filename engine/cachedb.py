"""Key-value caches: what a module cachedb_SCHEME offers to the cache_* functions, to MI and to other modules.

A cache is named "SCHEME" or "SCHEME:GROUP" ("local", "redis:sessions"); the scheme names the module, the group one of the
connections that its cachedb_url lines define. Nothing here knows which modules exist.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from engine.module import Context


class Cache(Protocol):
    """One connection. Every method returns its result, or an awaitable of it when somebody has to be asked: see finish().

    Raises ScriptError when the cache refuses or cannot be reached. expires: seconds, 0 for ever.
    """

    def fetch(self, key: str) -> str | None | Awaitable[str | None]:
        """The value, None when there is none."""

    def store(self, key: str, value: str, expires: int = 0) -> None | Awaitable[None]:
        """Set a value."""

    def remove(self, key: str) -> None | Awaitable[None]:
        """Forget a key; one that is not there is no error."""

    def add(self, key: str, step: int, expires: int = 0) -> int | Awaitable[int]:
        """Add to a counter, which starts from 0; the new value. ScriptError: the value is no number."""

    def counter(self, key: str) -> int | None | Awaitable[int | None]:
        """The value of a counter, None when there is none. ScriptError: the value is no number."""

    def raw(self, query: str) -> list[tuple[Any, ...]] | Awaitable[list[tuple[Any, ...]]]:
        """Rows of a query in the cache's own language. ScriptError: it has none."""


def find_cache(registry: Any, name: str) -> Cache | None:
    """The cache of a name, None when no loaded module has it."""
    scheme, _, group = name.partition(":")
    module = registry.get(f"cachedb_{scheme}")
    return None if module is None else module.cache(group)  # type: ignore[no-any-return]


def finish(ctx: Context, result: Any) -> Any:
    """The result of a Cache method inside a worker; waits when it is an awaitable."""
    return ctx.wait(result) if isinstance(result, Awaitable) else result
