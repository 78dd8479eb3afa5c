"""group: which groups a user belongs to, by a table, by regular expressions, or by an AAA server.

    if (db_is_user_in("From", "ld")) ...                        # may call long distance
    if (db_get_user_group("From", $avp(gid))) ...               # $(avp(gid)[*]): all groups

Manual: OpenSIPS 3.6, module group. The first asks the database each time; the expressions are held in memory.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, NamedTuple

from engine.db.interface import Connection, Where, check_version, find_driver
from engine.errors import ConfigError, DbError, SipParseError
from engine.module import (
    BRANCH, FAILURE, LOCAL, REQUEST, Context, Module, ScriptError, Var, function, modparam, wants,
)
from engine.script import ruri
from engine.script.posix_regex import compile_posix
from engine.sip.uri import SipUri, parse_uri
from modules.auth.api import Auth
from modules.shared import aaa
from modules.shared.output import put

TABLE_VERSION: Final = 3
RE_TABLE_VERSION: Final = 2
ROUTES: Final = REQUEST | FAILURE | BRANCH | LOCAL
DB_FAILED, NOT_IN_GROUP = -5, -6
NO_CREDENTIALS, REFUSED = -4, -12
SOURCES: Final = ("request-uri", "to", "from", "credentials")


class User(NamedTuple):
    """Somebody who may be in groups."""

    name: str
    domain: str


def known_source(text: str) -> str:
    """Fixup of aaa_is_user_in(): Request-URI, To, From or Credentials."""
    if text.lower() not in SOURCES:
        raise ConfigError(f"unsupported Header Field identifier <{text}>", hint="there are Request-URI, To, From, Credentials")
    return text


def _address(value: Any, header: str) -> SipUri:
    """The URI of From or To. Raises ScriptError."""
    try:
        return parse_uri(value.uri)
    except (AttributeError, SipParseError):
        raise ScriptError(f"failed to get the {header} URI") from None


class Group(Module):
    """The module."""

    auth: Auth | None = wants("auth")
    db_url = modparam(str, "", help="database of the tables")
    table = modparam(str, "grp", help="table of users and their groups")
    user_column = modparam(str, "username", help="column of the user")
    domain_column = modparam(str, "domain", help="column of the domain")
    group_column = modparam(str, "grp", help="column of the group")
    use_domain = modparam(int, 0, min=0, max=1, help="1: the domain has to fit too")
    re_table = modparam(str, "", help="table of regular expressions; none without it")
    re_exp_column = modparam(str, "reg_exp", help="column of the expression")
    re_gid_column = modparam(str, "group_id", help="column of the group's number")
    multiple_gid = modparam(int, 1, min=0, max=1, help="1: all groups that fit are given, 0: the first")
    aaa_url = modparam(str, "", help="protocol:configuration of an AAA server")

    def mod_init(self) -> None:
        self._connection: Connection | None = None
        self._aaa: aaa.Connection | None = None
        self._expressions: list[tuple[re.Pattern[str], int]] = []
        if self.db_url:
            find_driver(self.server.registry, self.db_url)
        if self.aaa_url:
            aaa.find_aaa(self.server.registry, self.aaa_url)

    async def child_init(self) -> None:
        if self.db_url:
            driver, url = find_driver(self.server.registry, self.db_url)
            try:
                self._connection = await driver.connect(url)
                await check_version(self._connection, self.table, TABLE_VERSION)
                if self.re_table:
                    await check_version(self._connection, self.re_table, RE_TABLE_VERSION)
                    await self._load_expressions(self._connection)
            except (DbError, ValueError) as error:
                raise ConfigError(f"group: {error}") from None
        if self.aaa_url:
            found, configuration = aaa.find_aaa(self.server.registry, self.aaa_url)
            try:
                self._aaa = await found.connect(configuration)
            except aaa.AaaError as error:
                raise ConfigError(f"group: {error}") from None

    async def destroy(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _load_expressions(self, connection: Connection) -> None:
        """Read the expressions; they are tried from the last row to the first. Raises DbError, ValueError."""
        for expression, number in await connection.query(self.re_table, [self.re_exp_column, self.re_gid_column]):
            if expression is None or number is None:
                raise ValueError(f"a row of table {self.re_table} has no expression or no group")
            try:
                self._expressions.insert(0, (compile_posix(str(expression)), int(number)))
            except ValueError as error:
                raise ValueError(f"bad expression {expression} in table {self.re_table}: {error}") from None

    # ---- fixups ----

    def with_database(self, text: str) -> str:
        """Fixup: the function needs a database."""
        if not self.db_url:
            raise ConfigError("group: there is no database url", hint='write modparam("group", "db_url", "sqlite:///...")')
        return text

    def with_aaa(self, text: str) -> str:
        """Fixup: the function needs an AAA server, and a source it knows."""
        if not self.aaa_url:
            raise ConfigError("group: there is no aaa protocol url", hint='write modparam("group", "aaa_url", "radius:...")')
        return known_source(text)

    @staticmethod
    def avp_only(variable: Var) -> Var:
        """Fixup: a variable that takes several values."""
        if variable.name != "avp":
            raise ConfigError(f"the return parameter must be an AVP, not {variable.text}")
        return variable

    # ---- who is asked about ----

    def _user(self, ctx: Context, source: str) -> User | None:
        """The user of a header, of the Request-URI, of credentials that were right, or of a URI. None: no credentials were
        right. Raises ScriptError: there is no such URI."""
        kind = source.lower()
        if kind == "credentials":
            granted = self.auth.granted(ctx) if self.auth is not None else None
            if granted is None:
                self.log.error("no authorized credentials found (error in scripts)")
                return None
            return User(granted.fields.user or "", granted.realm)
        if kind == "request-uri":
            uri = ruri.current(ctx)
        elif kind == "to":
            uri = _address(ctx.msg.to, "To")
        elif kind == "from":
            uri = _address(ctx.msg.from_, "From")
        else:
            try:
                uri = parse_uri(source)
            except SipParseError:
                raise ScriptError(f"failed to parse URI <{source}>") from None
        return User(uri.user or "", uri.host)

    # ---- functions ----

    @function(ROUTES, uri="with_database")
    def db_is_user_in(self, ctx: Context, uri: Annotated[str, "str"], group: str) -> int:
        """Whether a user is in a group. uri: Request-URI, To, From, Credentials, or a SIP URI. 1; -1: there is no such user part;
        -5: the database failed; -6: not in the group."""
        user = self._user(ctx, uri)
        if user is None or not user.name:
            return -1
        where = [Where(self.user_column, "=", user.name), Where(self.group_column, "=", group)]
        if self.use_domain:
            where.append(Where(self.domain_column, "=", user.domain))
        assert self._connection is not None
        try:
            rows = ctx.wait(self._connection.query(self.table, [self.group_column], where, limit=1))
        except DbError as error:
            self.log.error("failed to query database: %s", error)
            return DB_FAILED
        return 1 if rows else NOT_IN_GROUP

    @function(ROUTES, uri="with_database", output_avp="avp_only", writable=("output_avp",))
    def db_get_user_group(self, ctx: Context, uri: Annotated[str, "str"], output_avp: Var) -> int:
        """The numbers of the groups whose expressions are found in sip:user@domain go into output_avp, all of them or, with
        multiple_gid=0, the first. How many; -1: none, or there is no such user part."""
        user = self._user(ctx, uri)
        if user is None or not user.name:
            return -1
        text = f"sip:{user.name}@{user.domain}"
        count = 0
        for pattern, number in self._expressions:
            if pattern.search(text):
                put(ctx, output_avp, number)
                count += 1
                if not self.multiple_gid:
                    break
        return count or -1

    @function(ROUTES, uri="with_aaa")
    def aaa_is_user_in(self, ctx: Context, uri: Annotated[str, "str"], group: str) -> int:
        """Whether an AAA server says that a user is in a group. uri: Request-URI, To, From or Credentials. 1; -1: there is no
        such user part; -4: no credentials; -12: it says no, or cannot be asked."""
        user = self._user(ctx, uri)
        if user is None:
            return NO_CREDENTIALS
        if not user.name:
            return -1
        assert self._aaa is not None
        try:
            accepted = ctx.wait(self._aaa.authorize([
                ("User-Name", f"{user.name}@{user.domain}" if self.use_domain else user.name), ("Sip-Group", group),
                ("Service-Type", "Group-Check"), ("Acct-Session-Id", ctx.msg.call_id or ""),
            ]))
        except aaa.AaaError as error:
            self.log.error("failed to ask the AAA server: %s", error)
            return REFUSED
        return 1 if accepted else REFUSED


exports = Group
