"""The module: accounts and their passwords or hashes."""

from __future__ import annotations

from typing import Any

from engine.db.interface import equal
from engine.errors import DbError
from engine.module import REQUEST, Context, Module, function, modparam, needs
from modules.auth.api import AUTHORIZED, Auth
from modules.auth_db.checks import Checks
from modules.auth_db.credentials import give, parse_extras


class AuthDb(Checks, Module):
    """The auth_db module."""

    auth: Auth = needs("auth")

    user_column = modparam(str, "username", help="column with the user")
    domain_column = modparam(str, "domain", help="column with the domain")
    password_column = modparam(str, "ha1", help="column with the MD5 HA1, or with calculate_ha1 the password")
    password_column_2 = modparam(
        str, "", help="release 3.1: column with the MD5 HA1 of users that name their domain (user@domain), else password_column")
    hash_column_sha256 = modparam(str, "ha1_sha256", help="column with the SHA-256 HA1")
    hash_column_sha512t256 = modparam(str, "ha1_sha512t256", help="column with the SHA-512-256 HA1")
    calculate_ha1 = modparam(int, 0, help="1: password_column holds passwords; 0: HA1 strings")
    use_domain = modparam(int, 0, help="1: accounts are told apart by domain as well")
    load_credentials = modparam(
        str, "rpid", parse=parse_extras, help='columns that become AVPs: "$avp(x)=column;column"; empty for none')

    def mod_init(self) -> None:
        self.open_db()
        extras: Any = self.load_credentials
        self._extras = parse_extras(extras) if isinstance(extras, str) else extras
        hashes = {
            "MD5": self.password_column, "SHA-256": self.hash_column_sha256, "SHA-512-256": self.hash_column_sha512t256,
        }
        self._columns = {
            name: [self.password_column if self.calculate_ha1 else column, *(extra.column for extra in self._extras)]
            for name, column in hashes.items()
        }

    async def child_init(self) -> None:
        await super().child_init()
        for table in self._accounts:
            try:
                await self._select(table, self._columns["MD5"], equal(**{self.user_column: ""}), 1)
            except DbError as error:
                self.log.error(
                    "table %s: %s: nobody can be authorised; is load_credentials right? (empty for none)", table, error)

    @function(REQUEST, table="account_table")
    def www_authorize(self, ctx: Context, realm: str, table: str) -> int:
        """Judge the credentials in Authorization by a table of accounts. realm "": the host of To for a REGISTER, else of From.
        1 right (and for ACK and CANCEL), -1 no such user, -2 wrong password, -3 stale nonce, -4 no credentials for the realm;
        malformed ones are answered 400, a failed query 500, and end the script."""
        return self._authorize(ctx, realm, table, False)

    @function(REQUEST, table="account_table")
    def proxy_authorize(self, ctx: Context, realm: str, table: str) -> int:
        """Judge the credentials in Proxy-Authorization; realm "": the host of From. See www_authorize()."""
        return self._authorize(ctx, realm, table, True)

    def account_table(self, name: str) -> str:
        """Fixup: a table users are authorised by."""
        if self._connection is None:
            self._accounts.add(name)
        return self.subscriber_table(name)

    def _authorize(self, ctx: Context, realm: str, table: str, proxy: bool) -> int:
        attempt = self.auth.begin(ctx, realm, proxy)
        if isinstance(attempt, int):
            return attempt
        fields = attempt.fields
        where = {self.user_column: fields.user or ""}
        if self.use_domain:
            where[self.domain_column] = fields.domain or attempt.realm
        columns = self._columns[attempt.algorithm.removesuffix("-sess")]
        if self.password_column_2 and fields.domain and not self.calculate_ha1 and columns[0] == self.password_column:
            columns = [self.password_column_2, *columns[1:]]
        try:
            rows = self.select(ctx, table, columns, equal(**where))
        except DbError as error:
            self.log.error("table %s: %s", table, error)
            return self.auth.fail(ctx)
        code = self.auth.finish(ctx, attempt, _secret(rows[0][0]) if rows else None, bool(self.calculate_ha1))
        if code == AUTHORIZED:
            give(ctx, self._extras, rows[0][1:], self.log)
        return code


def _secret(cell: Any) -> str:
    """A password or a hash; "" (never right) for NULL."""
    return cell.decode("latin-1") if isinstance(cell, bytes) else "" if cell is None else str(cell)
