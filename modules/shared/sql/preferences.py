"""User preferences: AVPs kept in a table with one row per value, columns uuid, username, domain, attribute, type, value.

Whose they are is a URI ("$fu": its user, and its host with use_domain), a part of one ("$ru/domain"), or a plain id ("$avp(id)",
"alice"). Which ones: "$avp(name)", or "*" for all; "/table" names another table, "/$scheme" other columns (db_scheme).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.db.interface import Connection, DbValue, Where
from engine.errors import ConfigError, DbError, SipParseError
from engine.module import Context, ScriptError, Value, modparam, print_of, text_of
from engine.script.variables.binder import Binder
from engine.sip.uri import parse_uri
from modules.shared.sql import avps
from modules.shared.sql.urls import SqlUrls

IS_NUMBER: Final = 2
"""Bit of the type column: the value is a number. (1 says the name is one: all names are texts now.)"""
_PARTS: Final = ("username", "domain", "uri", "uuid")
_URIS: Final = frozenset(("ru", "ruri", "fu", "from", "tu", "to", "ou", "ouri"))
_ALL: Final = frozenset("sSiI*aA")


@dataclass(slots=True)
class Scheme:
    """A db_scheme parameter; "" stands for the general column."""

    name: str
    table: str = ""
    uuid_col: str = ""
    username_col: str = ""
    domain_col: str = ""
    value_col: str = ""
    is_number: bool = False


def parse_scheme(text: str) -> Scheme:
    """"name:table=t;uuid_col=u;value_col=v;value_type=integer"."""
    name, colon, rest = text.partition(":")
    made = Scheme(name.strip())
    if not made.name or not colon or not rest.strip():
        raise ValueError(f"bad db_scheme {text!r}, it looks like name:table=t;value_col=v")
    for piece in rest.split(";"):
        if not piece.strip():
            continue
        key, _, value = (part.strip() for part in piece.partition("="))
        key = key.lower()
        if key == "value_type":
            if value.lower() not in ("integer", "string"):
                raise ValueError(f"unknown value type {value!r} of db_scheme {made.name}")
            made.is_number = value.lower() == "integer"
        elif key in ("table", "uuid_col", "username_col", "domain_col", "value_col") and value:
            setattr(made, key, value)
        else:
            raise ValueError(f"unknown element {piece.strip()!r} of db_scheme {made.name}")
    return made


class Source:
    """Whose preferences."""

    __slots__ = ("text", "part", "get")

    def __init__(self, text: str, part: str, get: Any) -> None:
        self.text = text
        self.part = part
        """username, domain, uri or uuid."""
        self.get = get
        """Getter of a variable, None for a constant."""

    def value(self, ctx: Context) -> str:
        """The URI or id. Raises ScriptError: there is none."""
        found = self.text if self.get is None else text_of(self.get(ctx))
        if not found:
            raise ScriptError("whose preferences are meant? The first parameter has no value")
        return found


class Selection:
    """Which preferences, and where they are."""

    __slots__ = ("avp", "table", "scheme")

    def __init__(self, avp: avps.AvpRef | None, table: str, scheme: Scheme | None) -> None:
        self.avp = avp
        """None: all."""
        self.table = table
        self.scheme = scheme


class Preferences(SqlUrls):
    """Mixin of a module: its functions on the table of preferences. The module has the parameter for `table`."""

    use_domain = modparam(int, 0, min=0, max=1, help="1: the host of a URI counts as well as the user")
    uuid_column = modparam(str, "uuid", help="column of the id of a user")
    username_column = modparam(str, "username", help="column of the user")
    domain_column = modparam(str, "domain", help="column of the domain")
    attribute_column = modparam(str, "attribute", help="column of the AVP's name")
    value_column = modparam(str, "value", help="column of the value")
    type_column = modparam(str, "type", help="column of the type: 2 added for a number")
    db_scheme = modparam(str, None, multi=True, parse=parse_scheme, help="name:element;element: other columns and table")

    table: str

    # ---- fixups ----

    def source(self, text: str) -> Source:
        """Fixup of the first parameter: "$fu", "$ru/domain", "id"."""
        who, slash, part = text.partition("/")
        part = part.strip().lower()
        if slash and part not in _PARTS:
            raise ConfigError(f"unknown flag <{part}>", hint="there are username, domain, uri and uuid")
        if not who.startswith("$"):
            return Source(who, part or "uuid", None)
        variable = Binder(self.server.registry).bind_text(who)
        return Source(who, part or ("uri" if variable.name in _URIS else "uuid"), variable.get)

    def _selection(self, text: str, schemes: bool) -> Selection:
        which, slash, where = text.partition("/")
        avp = None
        if which.startswith("$"):
            avp = avps.parse_avp(Binder(self.server.registry), which)
        elif which[:1] not in _ALL or not (which[1:] == "" or which[1:].isdigit()):
            raise ConfigError(f"bad AVP {which!r}, expected $avp(name) or *")
        if slash and not where:
            raise ConfigError(f"empty scheme/table name in {text!r}")
        if not where.startswith("$"):
            return Selection(avp, where or self.table, None)
        if not schemes:
            raise ConfigError("this function knows no schemes, a table may be named")
        if avp is None:
            raise ConfigError("a scheme needs the name of an AVP")
        found = next((one for one in self.db_scheme if one.name.lower() == where[1:].lower()), None)
        if found is None:
            raise ConfigError(f"scheme <{where[1:]}> not found")
        return Selection(avp, found.table or self.table, found)

    def selection(self, text: str) -> Selection:
        """Fixup of the second parameter: "$avp(x)", "*", "$avp(x)/table"."""
        return self._selection(text, False)

    def selection_or_scheme(self, text: str) -> Selection:
        """The same, "$avp(x)/$scheme" too."""
        return self._selection(text, True)

    # ---- conditions ----

    def _who(self, ctx: Context, source: Source) -> tuple[str | None, str | None, str | None]:
        """(uuid, username, domain); None for what does not count. Raises ScriptError."""
        text = source.value(ctx)
        if source.part == "uuid":
            return text, None, None
        try:
            uri = parse_uri(text)
        except SipParseError:
            raise ScriptError(f"failed to parse uri <{text}>") from None
        user = domain = None
        if source.part in ("uri", "username"):
            user = uri.user
            if not user:
                raise ScriptError(f"incomplete uri <{text}> missing user")
        if source.part == "domain" or (source.part == "uri" and self.use_domain):
            domain = uri.host
        return None, user, domain

    def _where(self, who: tuple[str | None, str | None, str | None], scheme: Scheme | None) -> list[Where]:
        uuid, user, domain = who
        one = scheme or Scheme("")
        found: list[Where] = []
        if uuid is not None:
            found.append(Where(one.uuid_col or self.uuid_column, "=", uuid))
        if user is not None:
            found.append(Where(one.username_col or self.username_column, "=", user))
        if domain is not None:
            found.append(Where(one.domain_col or self.domain_column, "=", domain))
        return found

    # ---- load, store, delete ----

    def load_avps(self, ctx: Context, source: Source, which: Selection, db_id: int | None, prefix: str | None) -> int:
        """Values of a user into AVPs, whose names get the prefix. 1; -1 there are none, or the database refuses."""
        scheme = which.scheme
        where = self._where(self._who(ctx, source), scheme)
        name = which.avp.name(ctx) if which.avp is not None else None
        if scheme is None:
            columns = [self.value_column, self.attribute_column, self.type_column]
            if name is not None:
                where.append(Where(self.attribute_column, "=", name))
        else:
            columns = [scheme.value_col or self.value_column]
        rows = self._do(ctx, self.connection(db_id).query(which.table, columns, where))
        count = 0
        for row in rows:
            if None in row:
                self.log.error("a row of %s has NULL in it", which.table)
                continue
            is_number = scheme.is_number if scheme is not None else bool(int(row[2]) & IS_NUMBER)
            value = self._typed(row[0], is_number)
            if value is None:
                self.log.error("value is not int as flags say <%s>", row[0])
                continue
            full = (prefix or "") + (name if name is not None else str(row[1]))
            avps.add(ctx, full, value)
            self._known(ctx).append((full, value))
            count += 1
        return 1 if count else -1

    @staticmethod
    def _typed(cell: Any, is_number: bool) -> Value:
        """A value column's content; None: it is not the number it should be."""
        if isinstance(cell, bytes):
            cell = cell.decode("latin-1")
        if not is_number:
            return str(cell)
        try:
            return int(cell)
        except ValueError:
            return None

    def store_avps(self, ctx: Context, source: Source, which: Selection, db_id: int | None) -> int:
        """AVPs into the table, but for those that came from it. 1; -1 none was stored."""
        uuid, user, domain = self._who(ctx, source)
        names = [which.avp.name(ctx)] if which.avp is not None else list(ctx.avps)
        connection = self.connection(db_id)
        known = self._known(ctx)
        loaded = list(known)
        count = 0
        for name in names:
            for value in ctx.avps.get(name, [])[::-1]:
                if (name, value) in loaded:
                    loaded.remove((name, value))
                    continue
                row: dict[str, DbValue] = {
                    self.uuid_column: uuid or "", self.attribute_column: name, self.value_column: print_of(value),
                    self.type_column: 0 if isinstance(value, str) else IS_NUMBER, self.username_column: user or "",
                    self.domain_column: domain or "",
                }
                if self._insert(ctx, connection, which.table, row):
                    known.append((name, value))
                    count += 1
        return 1 if count else -1

    def _insert(self, ctx: Context, connection: Connection, table: str, row: dict[str, DbValue]) -> bool:
        try:
            ctx.wait(connection.insert(table, row))
        except DbError as error:
            self.log.error("insert into %s failed: %s", table, error)
            return False
        return True

    def delete_avps(self, ctx: Context, source: Source, which: Selection, db_id: int | None) -> int:
        """Rows of a user out of the table; the AVPs stay. 1; -1 the database refuses."""
        where = self._where(self._who(ctx, source), None)
        if which.avp is not None:
            where.append(Where(self.attribute_column, "=", which.avp.name(ctx)))
        self._do(ctx, self.connection(db_id).delete(which.table, where))
        return 1

    def _known(self, ctx: Context) -> list[tuple[str, Value]]:
        """Values that the table has, of this run."""
        if ctx.slots is None:
            ctx.slots = {}
        return ctx.slots.setdefault(self.name, [])  # type: ignore[no-any-return]

    @staticmethod
    def _do(ctx: Context, statement: Any) -> Any:
        """The result of a statement. Raises ScriptError: the database refuses."""
        try:
            return ctx.wait(statement)
        except DbError as error:
            raise ScriptError(str(error)) from None
