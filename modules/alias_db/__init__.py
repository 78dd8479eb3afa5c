"""alias_db: aliases of users, by tables that are asked each time.

    if (alias_db_lookup("dbaliases")) xlog("now for $ru\\n");
    alias_db_find("dbaliases", $fu, $avp(alias), "r");          # which alias does the caller have

Manual: OpenSIPS 3.6, module alias_db.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

from engine.db.interface import Connection, Where, find_driver
from engine.errors import ConfigError, DbError, SipParseError
from engine.module import (
    BRANCH, FAILURE, LOCAL, ONREPLY, REQUEST, STARTUP, Branch, Context, Module, ScriptError, Var, function, modparam,
)
from engine.script import ruri
from engine.script.variables.binder import BoundVar
from engine.sip.uri import SipUri, parse_uri
from modules.shared.output import put

MIN_Q: Final = 0


class Flags(NamedTuple):
    """Letters of the `flags` parameter."""

    no_domain: bool = False
    reverse: bool = False


def parse_flags(text: str) -> Flags:
    """Fixup: d and r in any case. ConfigError: another letter."""
    letters = text.lower()
    for letter in letters:
        if letter not in "dr":
            raise ConfigError(f"unsupported flag '{letter}' in <{text}>", hint="there are d and r")
    return Flags("d" in letters, "r" in letters)


class AliasDb(Module):
    """The module."""

    db_url = modparam(str, "", help="database of the tables")
    user_column = modparam(str, "username", help="column of the user")
    domain_column = modparam(str, "domain", help="column of the user's domain")
    alias_user_column = modparam(str, "alias_username", help="column of the alias")
    alias_domain_column = modparam(str, "alias_domain", help="column of the alias' domain")
    domain_prefix = modparam(str, "", help="what is taken away from the front of a domain before it is looked up")
    append_branches = modparam(int, 0, min=0, max=1, help="1: further users of an alias become branches, or further values")

    def mod_init(self) -> None:
        self._connection: Connection | None = None
        self._url = self.db_url or self.server.settings.db_default_url
        if not self._url:
            raise ConfigError("alias_db: there is no db_url", hint='write modparam("alias_db", "db_url", "sqlite:///...")')
        find_driver(self.server.registry, self._url)

    async def child_init(self) -> None:
        driver, url = find_driver(self.server.registry, self._url)
        try:
            self._connection = await driver.connect(url)
        except DbError as error:
            raise ConfigError(f"alias_db: {error}") from None

    async def destroy(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    def _find(self, ctx: Context, table: str, uri: SipUri, flags: Flags) -> Sequence[str]:
        """The URIs behind an alias, or with flag r the aliases of a user; only the first without append_branches."""
        names = (self.alias_user_column, self.alias_domain_column), (self.user_column, self.domain_column)
        (user_key, domain_key), wanted = reversed(names) if flags.reverse else names
        where = [Where(user_key, "=", uri.user or "")]
        if not flags.no_domain:
            host, prefix = uri.host, self.domain_prefix
            if prefix and len(prefix) < len(host) and host.lower().startswith(prefix.lower()):
                host = host[len(prefix):]
            where.append(Where(domain_key, "=", host))
        assert self._connection is not None
        try:
            rows = ctx.wait(self._connection.query(table, wanted, where, limit=0 if self.append_branches else 1))
        except DbError as error:
            raise ScriptError(f"failed to query database: {error}") from None
        if not rows or rows[0][0] is None:
            return ()
        return [f"sip:{user or ''}@{domain or ''}" for user, domain in rows]

    @function(REQUEST | FAILURE, flags=parse_flags)
    def alias_db_lookup(self, ctx: Context, table_name: str, flags: Annotated[Flags, "str"] | None = None) -> int:
        """Replace the Request-URI by the user it is an alias of; flags: d looks at the user part only, r goes from user to alias.
        1; -1: it is no alias."""
        found = self._find(ctx, table_name, ruri.current(ctx), flags or Flags())
        if not found:
            return -1
        ruri.set_ruri(ctx, found[0])
        for uri in found[1:]:
            if ctx.branches is None:
                ctx.branches = []
            ctx.branches.append(Branch(uri, q=MIN_Q))
        return 1

    @function(REQUEST | FAILURE | ONREPLY | BRANCH | LOCAL | STARTUP, flags=parse_flags, writable=("output_var",))
    def alias_db_find(
        self, ctx: Context, table_name: str, input_uri: str, output_var: Var, flags: Annotated[Flags, "str"] | None = None,
    ) -> int:
        """The same for a URI of the script: the result goes into output_var, in place of all values of an AVP. 1; -1: it is no
        alias, or no URI."""
        try:
            uri = parse_uri(input_uri)
        except SipParseError:
            raise ScriptError(f"failed to parse uri {input_uri}") from None
        found = self._find(ctx, table_name, uri, flags or Flags())
        if not found:
            return -1
        if isinstance(output_var, BoundVar) and output_var.assign is not None:
            output_var.assign(ctx, found[0])
        else:
            put(ctx, output_var, found[0])
        for more in found[1:]:
            put(ctx, output_var, more)
        return 1


exports = AliasDb
