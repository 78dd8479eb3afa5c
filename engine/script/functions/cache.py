"""cache_*(): key-value stores of the cachedb modules."""

from __future__ import annotations

import inspect
from typing import Any

from engine.errors import ConfigError, ScriptError
from engine.module import Module, Raw, Var, function
from engine.script.context import Context
from engine.script.values import wrap32
from engine.script.variables.binder import Binder

MISSING = -2
"""Code of a key that is not there."""


class CacheFunctions(Module):
    """cache_store(), cache_fetch() ..."""

    def _do(self, ctx: Context, ident: str, key: str, operation: str, *args: Any) -> Any:
        """Result of an operation of a store; waits when it is an awaitable. Raises ScriptError."""
        if not key:
            raise ScriptError("an empty key")
        result = getattr(self.server.caches.find(ident), operation)(key, *args)
        return ctx.wait(result) if inspect.isawaitable(result) else result

    @staticmethod
    def _give(ctx: Context, variable: Var, value: str | int) -> None:
        assert variable.set is not None
        variable.set(ctx, value)

    @function()
    def cache_store(self, ctx: Context, cache: str, key: str, value: str, expire: int | None = None) -> int:
        """Set a value, for expire seconds (0 or missing: for ever). 1 or -1."""
        self._do(ctx, cache, key, "store", value, expire or 0)
        return 1

    @function(writable=("result",))
    def cache_fetch(self, ctx: Context, cache: str, key: str, result: Var) -> int:
        """A value into a variable. 1; -2 when the key is unknown (the variable keeps its value); -1 on errors."""
        found = self._do(ctx, cache, key, "fetch")
        if found is None:
            return MISSING
        self._give(ctx, result, found)
        return 1

    @function()
    def cache_remove(self, ctx: Context, cache: str, key: str) -> int:
        """Forget a key. 1, also when it was unknown; -1 on errors."""
        self._do(ctx, cache, key, "remove")
        return 1

    @function(writable=("result",))
    def cache_counter_fetch(self, ctx: Context, cache: str, key: str, result: Var) -> int:
        """The number of a key into a variable. 1; -2 when the key is unknown; -3 when its value is no number; -1 on errors."""
        found = self._do(ctx, cache, key, "counter")
        if found is None:
            return MISSING
        self._give(ctx, result, wrap32(found))
        return 1

    @function(writable=("result",))
    def cache_add(self, ctx: Context, cache: str, key: str, step: int, expire: int, result: Var | None = None) -> int:
        """Count up by step; the new number into a variable. 1; -1 when the value is no number."""
        found = self._do(ctx, cache, key, "add", step, expire)
        if result is not None:
            self._give(ctx, result, wrap32(found))
        return 1

    @function(writable=("result",))
    def cache_sub(self, ctx: Context, cache: str, key: str, step: int, expire: int, result: Var | None = None) -> int:
        """Count down by step; the new number into a variable. 1; -1 when the value is no number."""
        return self.cache_add(ctx, cache, key, -step, expire, result)

    def avp_list(self, text: str) -> list[Var]:
        """Fixup: "$avp(a);$avp(b)"."""
        binder = Binder(self.server.registry)
        found: list[Var] = []
        for piece in text.replace(",", ";").split(";"):
            if not piece.strip():
                continue
            variable = binder.bind_text(piece.strip())
            if variable.name != "avp":
                raise ConfigError(f"{piece.strip()} is no $avp")
            found.append(variable)
        return found

    @function(results="avp_list")
    def cache_raw_query(self, ctx: Context, cache: str, query: str, results: Raw[str] | None = None) -> int:
        """A query in the store's own language; each column of the rows goes to one $avp, the first row ends up on top.
        1; -2 when there are no rows; -1 on errors."""
        if not query:
            raise ScriptError("an empty query")
        targets: Any = results or []
        store = self.server.caches.find(cache)
        rows = store.raw_query(query, len(targets))
        if inspect.isawaitable(rows):
            rows = ctx.wait(rows)
        if not targets:
            return 1
        for row in reversed(rows):
            for variable, cell in zip(targets, row, strict=False):
                if cell is not None:
                    self._give(ctx, variable, cell)
        return 1 if rows else MISSING
