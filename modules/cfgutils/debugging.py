"""For those who look for trouble: abort(), pkg_status(), shm_status(), and the hash of a file."""

from __future__ import annotations

import gc
import hashlib
import os
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError, MiError
from engine.module import ALL_ROUTES, Context, function, mi_command, modparam


class Debugging:
    """Mixed into the module."""

    if TYPE_CHECKING:
        log: Any
        server: Any

    hash_file = modparam(str, "", help="file whose hash is taken at start, for check_config_hash")

    def init_hash(self) -> None:
        """At mod_init."""
        self._hash = ""
        if self.hash_file:
            try:
                self._hash = self._hash_now()
            except OSError as error:
                raise ConfigError(f"cfgutils: hash_file {self.hash_file}: {error.strerror}") from None

    def _hash_now(self) -> str:
        """MD5 of the file, as OpenSIPS and md5sum have it. Raises OSError."""
        with open(self.hash_file, "rb") as file:
            return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()

    @mi_command("get_config_hash", help="shows the hash that hash_file had at start")
    def mi_get_hash(self) -> str:
        """404 without hash_file."""
        if not self._hash:
            raise MiError(404, "Functionality disabled")
        return self._hash

    @mi_command("check_config_hash", help="compares hash_file with what it was at start")
    def mi_check_hash(self) -> str:
        """400 when it has changed, 404 without hash_file, 500 when it cannot be read."""
        if not self._hash:
            raise MiError(404, "Functionality disabled")
        try:
            same = self._hash_now() == self._hash
        except OSError as error:
            self.log.error("hash_file %s: %s", self.hash_file, error.strerror)
            raise MiError(500, "Internal error") from None
        if not same:
            raise MiError(400, "The actual config file hash is not identical to the stored one.")
        return "The actual config file hash is identical to the stored one."

    @function(ALL_ROUTES)
    def abort(self, ctx: Context) -> int:
        """End the process at once with a core dump, if the system makes them."""
        self.log.critical("abort() called")
        self.log.root.flush()
        os.abort()

    @function(ALL_ROUTES)
    def pkg_status(self, ctx: Context) -> int:
        """Log what memory is used for: the number of objects the garbage collector knows, by kind. 1."""
        counts: dict[str, int] = {}
        for item in gc.get_objects():
            name = type(item).__qualname__
            counts[name] = counts.get(name, 0) + 1
        for name, count in sorted(counts.items(), key=lambda pair: -pair[1])[:20]:
            self.log.notice("memory: %d x %s", count, name)
        return 1

    @function(ALL_ROUTES)
    def shm_status(self, ctx: Context) -> int:
        """Log how much memory the process uses. 1."""
        for item in (self.server.stats.group("shmem") or {}).values():
            self.log.notice("memory: %s %d", item.name, item.count)
        return 1
