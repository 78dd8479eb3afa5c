"""domain: which domains this server is responsible for, by a table.

    if (!is_domain_local($rd, $var(attributes))) { send_reply(403, "Relaying Forbidden"); exit; }

Manual: OpenSIPS 3.6, module domain. db_mode 0 asks the database each time, db_mode 1 holds the table in memory until
domain_reload. A row that accepts subdomains is for all of them. Local domains count as this server (is_myself(), loose_route()).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from engine.db.interface import Connection, check_version, equal, find_driver
from engine.errors import ConfigError, DbError, MiError, SipParseError
from engine.module import (
    BRANCH, FAILURE, LOCAL, REQUEST, Context, Module, ScriptError, Var, function, mi_command, modparam,
)
from engine.script import ruri
from engine.sip.uri import parse_uri
from engine.workers import Workers
from modules.shared.corehash import core_hash
from modules.shared.output import put

TABLE_VERSION: Final = 4
ROUTES: Final = REQUEST | FAILURE | BRANCH | LOCAL
BAD_FROM: Final = -2
_BUCKETS: Final = 128


class Row(NamedTuple):
    """A domain of the table."""

    name: str
    attributes: str | None
    subdomains: bool
    """Its subdomains are local too."""


def read_row(row: tuple[Any, ...]) -> Row:
    """(domain, attributes, accept_subdomain) as a Row."""
    name, attributes, subdomains = row
    return Row(str(name or ""), None if attributes is None else str(attributes), bool(int(subdomains or 0)))


def suffixes(host: str) -> Iterator[str]:
    """The host, then what follows its dots as long as that has a dot itself: the domains it may belong to."""
    yield host
    _, dot, rest = host.partition(".")
    while dot and "." in rest:
        yield rest
        _, dot, rest = rest.partition(".")


def covers(row: Row, host: str) -> bool:
    """Whether a row is about a host."""
    name, wanted = row.name.lower(), host.lower()
    return name == wanted or (row.subdomains and wanted.endswith("." + name))


class Domain(Module):
    """The module."""

    db_url = modparam(str, "", help="database of the table")
    db_mode = modparam(int, 0, min=0, max=1, help="0: ask the database each time; 1: hold the table in memory")
    domain_table = modparam(str, "domain", help="name of the table")
    domain_col = modparam(str, "domain", help="column of the domain")
    attrs_col = modparam(str, "attrs", help="column of the attributes")
    accept_subdomain_col = modparam(str, "accept_subdomain", help="column that says whether subdomains count too")
    subdomain_col = modparam(str, "", help="another name of accept_subdomain_col")

    def mod_init(self) -> None:
        self._url = self.db_url or self.server.settings.db_default_url
        if not self._url:
            raise ConfigError("domain: there is no db_url", hint='write modparam("domain", "db_url", "sqlite:///...")')
        find_driver(self.server.registry, self._url)
        self._connection: Connection | None = None
        self._rows: list[Row] = []
        self._cache: dict[str, list[Row]] = {}
        """The table in memory, by domain in lower case."""
        self._columns = [self.domain_col, self.attrs_col, self.subdomain_col or self.accept_subdomain_col]
        self.server.sockets.own_names.append(self._is_own)

    async def child_init(self) -> None:
        driver, url = find_driver(self.server.registry, self._url)
        try:
            self._connection = await driver.connect(url)
            await check_version(self._connection, self.domain_table, TABLE_VERSION)
            if self.db_mode:
                await self._load()
        except DbError as error:
            raise ConfigError(f"domain: {error}") from None

    async def destroy(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    # ---- asking ----

    async def _load(self) -> None:
        """Read the whole table. Raises DbError."""
        assert self._connection is not None
        rows = [read_row(row) for row in await self._connection.query(self.domain_table, self._columns)]
        # Of rows about one domain the last counts; lists begin with it too.
        rows.reverse()
        made: dict[str, list[Row]] = {}
        for row in rows:
            made.setdefault(row.name.lower(), []).append(row)
        self._rows, self._cache = rows, made

    async def _ask(self, host: str) -> Row | None:
        """The row about a host, by as many queries as it has domains above it. Raises DbError."""
        assert self._connection is not None
        for name in suffixes(host):
            rows = await self._connection.query(self.domain_table, self._columns, equal(**{self.domain_col: name}), limit=1)
            if rows and covers(found := read_row(rows[0]), host):
                return found
        return None

    def find(self, host: str) -> Row | None:
        """The row about a host, None when it is not local. Raises DbError."""
        if not self.db_mode:
            found: Row | None = self.server.workers.wait(self._ask(host))
            return found
        cache = self._cache
        for name in suffixes(host.lower()):
            for row in cache.get(name, ()):
                if covers(row, host):
                    return row
        return None

    def is_local(self, host: str) -> bool:
        """Whether this server is responsible for a host (modules/domain/api.py)."""
        try:
            return self.find(host) is not None
        except DbError as error:
            self.log.error("error while querying database: %s", error)
            return False

    def _is_own(self, host: str) -> bool:
        """Told to the core: is a name that of this server? Outside of a run there is no waiting for the database."""
        return bool(self.db_mode or Workers.can_wait()) and self.is_local(host)

    def _answer(self, ctx: Context, host: str, attributes: Var | None) -> int:
        try:
            row = self.find(host)
        except DbError as error:
            raise ScriptError(f"error while querying database: {error}") from None
        if row is None:
            return -1
        if row.attributes is not None:
            put(ctx, attributes, row.attributes)
        return 1

    @function(ROUTES, writable=("attrs_var",))
    def is_domain_local(self, ctx: Context, domain: str, attrs_var: Var | None = None) -> int:
        """Whether a domain is local; attrs_var gets the attributes of its row, when it has any. 1 / -1."""
        return self._answer(ctx, domain, attrs_var)

    @function(ROUTES, writable=("attrs_var",))
    def is_from_local(self, ctx: Context, attrs_var: Var | None = None) -> int:
        """is_domain_local() for the host of From. -2: there is no such URI."""
        try:
            found = ctx.msg.from_
            host = parse_uri(found.uri).host if found is not None else None
        except SipParseError:
            host = None
        if host is None:
            self.log.error("error while parsing the From header")
            return BAD_FROM
        return self._answer(ctx, host, attrs_var)

    @function(ROUTES, writable=("attrs_var",))
    def is_uri_host_local(self, ctx: Context, attrs_var: Var | None = None) -> int:
        """is_domain_local() for the host of the Request-URI; in a branch route for that of the branch."""
        return self._answer(ctx, ruri.current(ctx).host, attrs_var)

    # ---- MI ----

    def _cached(self) -> None:
        if not self.db_mode:
            raise MiError(500, "DB is disabled (db_mode=0)")

    @mi_command("domain_reload", help="reads the table again")
    async def mi_reload(self) -> None:
        """500: the table is not in memory, or cannot be read; what was there stays."""
        self._cached()
        try:
            await self._load()
        except DbError as error:
            self.log.error("%s", error)
            raise MiError(500, "Domain table reload failed") from None

    @mi_command("domain_dump", help="shows the domains in memory")
    def mi_dump(self) -> dict[str, Any]:
        """{"Domains": [{"name", "attributes"}]}; 500: the table is not in memory."""
        self._cached()
        rows = sorted(self._rows, key=lambda row: core_hash(row.name.lower().encode("latin-1", "replace"), _BUCKETS))
        return {"Domains": [
            {"name": row.name} | ({} if row.attributes is None else {"attributes": row.attributes}) for row in rows
        ]}


exports = Domain
