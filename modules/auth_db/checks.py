"""Which URIs an account may use (table uri), and which accounts there are (table subscriber)."""

from __future__ import annotations

from typing import Any, Final

from engine.db.interface import equal
from engine.errors import ConfigError, DbError, SipParseError
from engine.module import FAILURE, LOCAL, REQUEST, Context, Value, Var, function, modparam
from engine.sip.uri import SipUri, parse_uri
from modules.auth.api import Auth
from modules.auth_db.tables import URI_VERSION, Tables
from modules.shared.output import put

FOUND: Final = 1
ERR_INTERNAL: Final = -1
ERR_CREDENTIALS: Final = -2
ERR_NO_USER: Final = -4
ERR_NO_ROW: Final = -5
ERR_QUERY: Final = -8
ERR_SPOOFED: Final = -9


def result_variable(variable: Var) -> Var:
    """Fixup: an AVP or a $var."""
    if variable.name not in ("avp", "var") or variable.set is None:
        raise ConfigError(f"{variable.text}: the result goes to an AVP or a $var")
    return variable


class Checks(Tables):
    """Mixin of the module."""

    auth: Auth
    user_column: Any
    domain_column: Any
    use_domain: Any

    uri_user_column = modparam(str, "username", help="column of a uri table with the account")
    uri_domain_column = modparam(str, "domain", help="column of a uri table with the account's domain")
    uri_uriuser_column = modparam(str, "uri_user", help="column of a uri table with the user of a URI")

    @function(REQUEST, table="uri_table")
    def db_is_to_authorized(self, ctx: Context, table: str) -> int:
        """Whether the account this request was authorised for may use the user of its To URI. 1, -9 it may not, -1 bad To, -2 not
        authorised, -4 no user in To, -8 the query failed."""
        return self._is_authorized(ctx, table, "To")

    @function(REQUEST, table="uri_table")
    def db_is_from_authorized(self, ctx: Context, table: str) -> int:
        """The same for the From URI."""
        return self._is_authorized(ctx, table, "From")

    def _is_authorized(self, ctx: Context, table: str, name: str) -> int:
        try:
            address = ctx.msg.to if name == "To" else ctx.msg.from_
            user = parse_uri(address.uri).user if address is not None else None
        except SipParseError as error:
            self.log.error("%s cannot be read: %s", name, error.message)
            return ERR_INTERNAL
        if address is None:
            return ERR_INTERNAL
        granted = self.auth.granted(ctx)
        if granted is None:
            self.log.error("the request was not authorised: call www_authorize() or proxy_authorize() before")
            return ERR_CREDENTIALS
        if not user:
            self.log.error("no user in the URI of %s", name)
            return ERR_NO_USER
        fields = granted.fields
        where = equal(**{
            self.uri_user_column: fields.user or "", self.uri_domain_column: fields.domain or fields.realm or "",
            self.uri_uriuser_column: user,
        })
        try:
            rows = self.select(ctx, table, [self.uri_user_column], where, version=URI_VERSION)
        except DbError as error:
            self.log.error("table %s: %s", table, error)
            return ERR_QUERY
        return FOUND if rows else ERR_SPOOFED

    @function(REQUEST | FAILURE | LOCAL, table="subscriber_table")
    def db_does_uri_exist(self, ctx: Context, uri: str, table: str) -> int:
        """Whether the user of a URI (with use_domain also its host) is an account. 1, -5 it is none, -1 bad URI, -4 the query
        failed."""
        parsed = self._parsed(uri)
        if parsed is None:
            return ERR_INTERNAL
        where = {self.user_column: parsed.user or ""}
        if self.use_domain:
            where[self.domain_column] = parsed.host
        try:
            rows = self.select(ctx, table, [self.user_column], equal(**where))
        except DbError as error:
            self.log.error("table %s: %s", table, error)
            return ERR_NO_USER
        return FOUND if rows else ERR_NO_ROW

    @function(REQUEST | FAILURE | LOCAL, table="uri_table", auth=result_variable, realm=result_variable)
    def db_get_auth_id(self, ctx: Context, table: str, uri: str, auth: Var, realm: Var) -> int:
        """The account that belongs to a URI: its user and its domain into auth and realm. 1, -4 there is none, -1 bad URI, -8 the
        query failed."""
        parsed = self._parsed(uri)
        if parsed is None or not parsed.user:
            self.log.error("db_get_auth_id(): %s is no URI with a user", uri)
            return ERR_INTERNAL
        where = {self.uri_uriuser_column: parsed.user}
        if self.use_domain:
            where[self.uri_domain_column] = parsed.host
        try:
            rows = self.select(
                ctx, table, [self.uri_user_column, self.uri_domain_column], equal(**where), 2, URI_VERSION)
        except DbError as error:
            self.log.error("table %s: %s", table, error)
            return ERR_QUERY
        if not rows:
            return ERR_NO_USER
        if len(rows) > 1:
            self.log.warning("more than one account belongs to %s: use_domain may be what is missing", uri)
        for variable, cell in zip((auth, realm), rows[0]):
            put(ctx, variable, _text(cell))
        return FOUND

    @staticmethod
    def _parsed(uri: str) -> SipUri | None:
        try:
            return parse_uri(uri)
        except SipParseError:
            return None


def _text(cell: Any) -> Value:
    return cell.decode("latin-1") if isinstance(cell, bytes) else "" if cell is None else str(cell)
