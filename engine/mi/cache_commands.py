"""MI commands on the key-value stores of the cachedb modules."""

from __future__ import annotations

import inspect
from typing import Any

from engine.errors import MiError, ScriptError
from engine.mi.jsonrpc import bad_params
from engine.module import Module, mi_command


class CacheCommands(Module):
    """cache_store, cache_fetch, cache_remove: with the ids and keys scripts use."""

    async def _do(self, system: str, attr: str, failed: str, operation: str, *args: Any) -> Any:
        """The result of an operation. -32602: an empty id or key; 500 with the text `failed`: no such store, or it refuses."""
        if not system:
            raise bad_params("Empty memory cache id")
        if not attr:
            raise bad_params("Empty attribute name")
        try:
            result = getattr(self.server.caches.find(system), operation)(attr, *args)
            return await result if inspect.isawaitable(result) else result
        except ScriptError as error:
            self.log.error("%s", error)
            raise MiError(500, failed) from None

    @mi_command("cache_store", help="stores a value under a key, for some seconds or for ever")
    async def cache_store(self, system: str, attr: str, value: str, expire: int = 0) -> None:
        """500: no such store, or it refuses."""
        if not value:
            raise bad_params("Empty value")
        if expire < 0:
            raise bad_params("Negative expire value")
        await self._do(system, attr, "Cache store command failed", "store", value, expire)

    @mi_command("cache_fetch", help="shows the value of a key")
    async def cache_fetch(self, system: str, attr: str) -> dict[str, Any]:
        """{"key", "value"}; 400: the key is unknown or its value empty; 500: no such store, or it refuses."""
        found = await self._do(system, attr, "Cache fetch command failed", "fetch")
        if not found:
            raise MiError(400, "Value not found")
        return {"key": attr, "value": found}

    @mi_command("cache_remove", help="forgets a key")
    async def cache_remove(self, system: str, attr: str) -> None:
        """500: no such store."""
        await self._do(system, attr, "Cache remove command failed", "remove")
