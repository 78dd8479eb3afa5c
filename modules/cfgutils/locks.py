"""Locks of scripts: only one run at a time is between get_*_lock() and release_*_lock() of a key.

A run only ever gives way where it waits, so a lock matters to scripts that wait while they hold it. Whoever comes second waits
in its worker; release hands the lock to the one that waits longest. Each key has a lock of its own: two keys never share one,
where OpenSIPS has a pool of lock_pool_size for dynamic ones.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from engine.module import ALL_ROUTES, Context, Static, function


class Lock:
    """One lock that is held."""

    __slots__ = ("owner", "waiting")

    def __init__(self, owner: Context) -> None:
        self.owner = owner
        self.waiting: deque[tuple[asyncio.Future[None], Context]] = deque()


class Locks:
    """Mixed into the module."""

    if TYPE_CHECKING:
        log: Any

    def init_locks(self) -> None:
        """At mod_init."""
        self._locks: dict[tuple[str, str], Lock] = {}

    def _get(self, ctx: Context, kind: str, key: str) -> int:
        lock = self._locks.get((kind, key))
        if lock is None:
            self._locks[kind, key] = Lock(ctx)
            return 1
        if lock.owner is ctx:
            self.log.error("the lock %r is held by this very run: waiting for it would take for ever", key)
            return -1
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lock.waiting.append((turn, ctx))
        ctx.wait(turn)
        return 1

    def _release(self, kind: str, key: str) -> int:
        lock = self._locks.get((kind, key))
        if lock is not None:
            if lock.waiting:
                turn, lock.owner = lock.waiting.popleft()
                turn.set_result(None)
            else:
                del self._locks[kind, key]
        return 1

    @function(ALL_ROUTES)
    def get_static_lock(self, ctx: Context, key: Static[str]) -> int:
        """Take a lock, waiting until it is free. 1; -1 when this run holds it already."""
        return self._get(ctx, "static", key)

    @function(ALL_ROUTES)
    def release_static_lock(self, ctx: Context, key: Static[str]) -> int:
        """Give a lock back; nothing happens when nobody holds it. 1."""
        return self._release("static", key)

    @function(ALL_ROUTES)
    def get_dynamic_lock(self, ctx: Context, key: str) -> int:
        """Take a lock, waiting until it is free. 1; -1 when this run holds it already."""
        return self._get(ctx, "dynamic", key)

    @function(ALL_ROUTES)
    def release_dynamic_lock(self, ctx: Context, key: str) -> int:
        """Give a lock back; nothing happens when nobody holds it. 1."""
        return self._release("dynamic", key)

    @function(ALL_ROUTES)
    def strings_share_lock(self, ctx: Context, key1: str, key2: str) -> bool:
        """Whether two keys have the same dynamic lock: only equal ones have."""
        return key1 == key2
