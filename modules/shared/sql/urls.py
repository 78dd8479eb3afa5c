"""Several databases by number, and the rows they give as values of the script.

Parameters: db_url "sqlite:///x" is number 0, db_url "2 mysql://..." number 2. A connection per URL is opened at start; each of
its statements waits in the worker of its run only.
"""

from __future__ import annotations

import re
from typing import Any

from engine.db.interface import Connection, find_driver
from engine.errors import ConfigError, DbError
from engine.module import Context, ScriptError, Value, Var, modparam
from engine.script.values import NULL_TEXT, wrap32
from engine.script.variables.binder import Binder
from modules.shared.output import put
from modules.shared.sql import avps


def numbered_url(text: str) -> tuple[int, str]:
    """(number, URL) of a db_url parameter."""
    found = re.match(r"\s*([0-9]+)\s+(.*)", text, re.DOTALL)
    return (int(found[1]), found[2].strip()) if found is not None else (0, text.strip())


class SqlUrls:
    """Mixin of a module: its databases."""

    name: str
    server: Any
    log: Any

    db_url = modparam(str, None, multi=True, parse=numbered_url, help='"number URL" of a database; without a number it is 0')

    connections: dict[int, Connection]
    urls: dict[int, str]
    default_id: int
    bigint_to_str = 0

    def open_urls(self, required: bool) -> None:
        """For mod_init: take the parameters. ConfigError: a number twice, no driver, or required and there is none."""
        self.urls = {}
        self.connections = {}
        for number, url in self.db_url:
            if number in self.urls:
                raise ConfigError(f"{self.name}: db_url {number} is given more than once")
            self.urls[number] = url
        fallback = self.server.settings.db_default_url
        if not self.urls and fallback:
            self.urls[0] = fallback
        if required and not self.urls:
            raise ConfigError(f"{self.name}: no DB URL", hint=f'write modparam("{self.name}", "db_url", "sqlite:///...")')
        self.default_id = 0 if 0 in self.urls or not self.urls else next(iter(self.urls))
        for url in self.urls.values():
            find_driver(self.server.registry, url)

    async def connect_urls(self) -> None:
        """For child_init: open the connections. ConfigError: one cannot be opened."""
        for number, text in self.urls.items():
            driver, url = find_driver(self.server.registry, text)
            try:
                self.connections[number] = await driver.connect(url)
            except DbError as error:
                raise ConfigError(f"{self.name}: db_url {number}: {error}") from None

    async def close_urls(self) -> None:
        """For destroy."""
        for connection in self.connections.values():
            await connection.close()
        self.connections.clear()

    def known_id(self, number: int) -> int:
        """Fixup of db_id parameters: a number that a db_url has."""
        if number not in self.urls:
            raise ScriptError(f"no db_url with id <{number}>")
        return number

    def connection(self, number: int | None) -> Connection:
        """The connection of a db_id, None: the default one. Raises ScriptError."""
        found = self.connections.get(self.default_id if number is None else number)
        if found is None:
            raise ScriptError("no db url defined to be used by this function")
        return found

    # ---- where results go ----

    def avp_list(self, text: str) -> list[avps.AvpRef]:
        """Fixup: "$avp(a);$avp(b)"."""
        binder = Binder(self.server.registry)
        return [avps.parse_avp(binder, piece) for piece in _pieces(text)]

    def var_list(self, text: str) -> list[Var]:
        """Fixup: "$var(a);$avp(b)", all writable."""
        binder = Binder(self.server.registry)
        found: list[Var] = [binder.bind_text(piece) for piece in _pieces(text)]
        for variable in found:
            if variable.set is None:
                raise ConfigError(f"{variable.text} is read-only")
        return found

    def value(self, cell: Any) -> Value:
        """A cell that is not NULL as value of the script."""
        if isinstance(cell, bytes):
            return cell.decode("latin-1")
        if isinstance(cell, float):
            return f"{cell:.8f}"
        if isinstance(cell, int):
            if -0x80000000 <= cell <= 0x7FFFFFFF:
                return int(cell)
            return str(int(cell)) if self.bigint_to_str else wrap32(int(cell))
        return str(cell)

    def give_rows(self, ctx: Context, rows: list[tuple[Any, ...]], targets: list[avps.AvpRef] | None) -> None:
        """Rows into AVPs, the first row on top; NULL is the text <null>. Without targets column n goes to $avp(n)."""
        if not rows:
            return
        names = [target.name(ctx) for target in targets] if targets else [str(n + 1) for n in range(len(rows[0]))]
        for row in reversed(rows):
            for name, cell in zip(names, row, strict=False):
                avps.add(ctx, name, NULL_TEXT if cell is None else self.value(cell))

    def give_row(self, ctx: Context, row: tuple[Any, ...], targets: list[Var] | None) -> None:
        """One row into variables; NULL is NULL. Raises ScriptError: there are more columns than variables."""
        if len(row) > len(targets or ()):
            raise ScriptError(f"too few output vars to store the result, need {len(row)}, having {len(targets or ())}")
        for variable, cell in zip(targets or (), row, strict=False):
            put(ctx, variable, None if cell is None else self.value(cell))


def _pieces(text: str) -> list[str]:
    """The variables of a list; a semicolon inside parentheses does not count."""
    found: list[str] = []
    depth = start = 0
    for at, char in enumerate(text + ";"):
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == ";" and depth <= 0:
            if text[start:at].strip():
                found.append(text[start:at].strip())
            start = at + 1
    return found
