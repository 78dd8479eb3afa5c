"""avpops: AVPs from and to a database, and operations on them that later releases have in the language itself.

Manual: OpenSIPS 3.4, module avpops (its last release); from 3.5 on sqlops has the database functions. avp_print() belongs to the
core.
A name with several values has the newest one in front.
"""

from __future__ import annotations

import random
from typing import Any, Final

from engine.errors import ConfigError
from engine.module import (
    BRANCH, EVENT, FAILURE, LOCAL, ONREPLY, REQUEST, STARTUP, TIMER, Branch, Context, Module, Raw, ScriptError, Value,
    async_function, function, modparam,
)
from engine.script import branches, ruri
from engine.script.subst import Subst, parse_subst
from engine.script.values import wrap32
from engine.script.variables.binder import Binder
from modules.avpops.parameters import (
    AvpAndFlags, Check, Operand, Operation, Route, avp_and_flags, avp_route, flags_of, plain, variable_operand,
)
from modules.shared.sql.avps import AvpRef, add, parse_avp
from modules.shared.sql.preferences import Preferences, Selection, Source
from modules.shared.sql.statements import Statements

ROUTES: Final = REQUEST | FAILURE | BRANCH | ONREPLY | LOCAL | STARTUP | TIMER | EVENT
_MATCH_ALL: Final = frozenset("sSiI*aA")
_NOBODY: Final = "nobody"


class Destination:
    """Where avp_pushto() writes: "ru", "du" or "br", and which part of the Request-URI."""

    __slots__ = ("name", "part")

    def __init__(self, text: str) -> None:
        name, slash, part = text.partition("/")
        self.name = {"$ru": "ru", "$ruri": "ru", "$du": "du", "$duri": "du", "$br": "br", "$branch": "br"}.get(name, "")
        self.part = part.lower()
        if not self.name:
            raise ConfigError(f"unsupported destination {text!r}; expected $ru,$du,$br")
        if slash and (self.name != "ru" or self.part not in ("username", "domain")):
            raise ConfigError(f"unknown flag {part!r} of {name}")


def _remove(ctx: Context, name: str, place: int) -> None:
    """Remove a value of an AVP by its place in the list, the oldest is 0."""
    values = ctx.avps.get(name)
    if values is not None and -len(values) <= place < len(values):
        del values[place]
        if not values:
            del ctx.avps[name]


class AvpOps(Preferences, Statements, Module):
    """The module."""

    avp_table = modparam(str, "usr_preferences", help="table of the user preferences")

    def mod_init(self) -> None:
        self.table = self.avp_table
        self.open_urls(False)

    async def child_init(self) -> None:
        await self.connect_urls()

    async def destroy(self) -> None:
        await self.close_urls()

    # ---- fixups ----

    def _binder(self) -> Binder:
        return Binder(self.server.registry)

    def deleted(self, text: str) -> AvpAndFlags | str:
        """"$avp(x)/g"; "s", "i", "a", "*": every AVP; with a number behind it those with script flags, which nobody can set."""
        if text.startswith("$"):
            return avp_and_flags(self._binder(), text, "g")
        which, _, flags = text.partition("/")
        flags_of(flags, "g")
        if which[:1] not in _MATCH_ALL or not (which[1:] == "" or which[1:].isdigit()):
            raise ConfigError(f"bad AVP {which!r}, expected $avp(name), *, s or i")
        return _NOBODY if which[1:].strip("0") else "*"

    def plain_avp(self, text: str) -> AvpRef:
        """"$avp(x)"."""
        return parse_avp(self._binder(), text)

    def copied(self, text: str) -> AvpAndFlags:
        """"$avp(x)/gdns"."""
        return avp_and_flags(self._binder(), text, "gdns")

    def asked(self, text: str) -> AvpAndFlags:
        """"$avp(x)/esn"."""
        found = avp_and_flags(self._binder(), text, "esn")
        if {"s", "n"} <= found.flags:
            raise ConfigError("invalid flag combination: a value is no text and number at once")
        return found

    def pushed(self, text: str) -> tuple[Operand, bool]:
        """"$avp(x)/g" or any variable."""
        which, _, flags = text.partition("/")
        if not which.startswith("$"):
            raise ConfigError(f"expected a variable, not {text!r}")
        return variable_operand(self._binder(), which), "g" in flags_of(flags, "g")

    def checked(self, text: str) -> Operand:
        """Any variable."""
        if not text.startswith("$"):
            raise ConfigError(f"expected a variable, not {text!r}")
        return variable_operand(self._binder(), text)

    def check(self, text: str) -> Check:
        """"eq/value/flags"."""
        return Check(self._binder(), text)

    def operation(self, text: str) -> Operation:
        """"add/value/flags"."""
        return Operation(self._binder(), text)

    def substituted(self, text: str) -> Route:
        """"$avp(a)/$avp(b)/gd"."""
        return avp_route(self._binder(), text, "gd")

    def calculated(self, text: str) -> Route:
        """"$avp(a)/$avp(b)"."""
        return avp_route(self._binder(), text, "")

    def substitution(self, text: str) -> Subst:
        """"/expression/replacement/flags"."""
        binder = self._binder()
        return parse_subst(text, lambda spec: binder.bind(spec).get)

    # ---- database ----

    @function(ROUTES, source="source", which="selection_or_scheme", db_id="known_id")
    def avp_db_load(
        self, ctx: Context, source: Raw[Source], which: Raw[Selection], db_id: int | None = None, prefix: str | None = None,
    ) -> int:
        """Load preferences of source ("$fu", "$ru/domain", an id) into AVPs: "$avp(x)", "*", "$avp(x)/table" or
        "$avp(x)/$scheme". prefix goes in front of the AVPs' names. 1; -1 nothing was loaded."""
        return self.load_avps(ctx, source, which, db_id, prefix)

    @function(ROUTES, source="source", which="selection", db_id="known_id")
    def avp_db_store(self, ctx: Context, source: Raw[Source], which: Raw[Selection], db_id: int | None = None) -> int:
        """Store AVPs as preferences of source, but for those that were loaded. 1; -1 nothing was stored."""
        return self.store_avps(ctx, source, which, db_id)

    @function(ROUTES, source="source", which="selection", db_id="known_id")
    def avp_db_delete(self, ctx: Context, source: Raw[Source], which: Raw[Selection], db_id: int | None = None) -> int:
        """Delete preferences of source from the database. 1 / -1."""
        return self.delete_avps(ctx, source, which, db_id)

    @function(ROUTES, res_col_avps="avp_list", db_id="known_id")
    def avp_db_query(
        self, ctx: Context, query: str, res_col_avps: Raw[list[AvpRef]] | None = None, db_id: int | None = None,
    ) -> int:
        """Run a statement; the rows go into AVPs, column by column, the first row on top, NULL as the text <null>. Without
        res_col_avps into $avp(1), $avp(2) ... 1; -2 there are no rows; -1 it failed."""
        return self.query(ctx, query, res_col_avps, db_id, False)

    @async_function(ROUTES, name="avp_db_query", res_col_avps="avp_list", db_id="known_id")
    def avp_db_query_async(
        self, ctx: Context, query: str, res_col_avps: Raw[list[AvpRef]] | None = None, db_id: int | None = None,
    ) -> Any:
        """The same for async() and launch()."""
        return self.query_later(ctx, query, res_col_avps, db_id, False)

    # ---- lists of values ----

    @function(ROUTES, which="deleted")
    def avp_delete(self, ctx: Context, which: Raw[AvpAndFlags | str]) -> int:
        """Delete the newest value of an AVP, all with /g, or every AVP ("*"). 1; -1 there was nothing."""
        if isinstance(which, str):
            if which == _NOBODY or not ctx.avps:
                return -1
            ctx.avps.clear()
            return 1
        name = which.avp.name(ctx)
        if name not in ctx.avps:
            return -1
        if "g" in which.flags:
            del ctx.avps[name]
        else:
            _remove(ctx, name, -1)
        return 1

    @function(ROUTES, from_avp="plain_avp", to_avp="copied")
    def avp_copy(self, ctx: Context, from_avp: Raw[AvpRef], to_avp: Raw[AvpAndFlags]) -> int:
        """Copy the newest value, all with g, to another AVP; d deletes the old ones, n makes numbers of texts, s texts of
        numbers. 1; -1 there was nothing, or a text is no number."""
        name, new = from_avp.name(ctx), to_avp.avp.name(ctx)
        values = ctx.avps.get(name, [])[::-1]
        if "g" not in to_avp.flags:
            values = values[:1]
        if not values:
            return -1
        made: list[Value] = []
        for value in values:
            if "n" in to_avp.flags and isinstance(value, str):
                if not value.isdigit():
                    raise ScriptError("cannot convert str to int")
                made.append(wrap32(int(value)))
            elif "s" in to_avp.flags and not isinstance(value, str):
                made.append(str(value))
            else:
                made.append(value)
        if "d" in to_avp.flags:
            for _ in values:
                _remove(ctx, name, -1)
        for value in made:
            add(ctx, new, value)
        return 1

    @function(ROUTES, which="plain_avp")
    def avp_shuffle(self, ctx: Context, which: Raw[AvpRef]) -> int:
        """Put the values of an AVP in random order. 1."""
        random.shuffle(ctx.avps.get(which.name(ctx), []))
        return 1

    @function(ROUTES, which="asked")
    def is_avp_set(self, ctx: Context, which: Raw[AvpAndFlags]) -> bool:
        """Is there a value, with e an empty one (0 for a number), with s a text, with n a number? $(avp(x)[2]): the third.
        1 / -1."""
        values = which.avp.values(ctx)
        place = max(0, which.avp.index) if isinstance(which.avp.index, int) else 0
        if place >= len(values):
            return False
        value = plain(values[place])
        if ("s" in which.flags and isinstance(value, int)) or ("n" in which.flags and isinstance(value, str)):
            return False
        return not value if "e" in which.flags else True

    # ---- values ----

    @function(ROUTES, destination="destination", which="pushed")
    def avp_pushto(self, ctx: Context, destination: Raw[Destination], which: Raw[tuple[Operand, bool]]) -> int:
        """Write a value into $ru, $ru/username, $ru/domain, $du or, as a new branch, $br. With /g every value of an AVP: for
        $ru each one but the last becomes a branch. 1; -1 there is nothing to write, or a number where a URI belongs."""
        operand, every = which
        values = operand.values(ctx)
        if not values:
            return -1
        for count, value in enumerate(values if every else values[:1]):
            if destination.name == "ru":
                if count and not branches.append(ctx, ctx.main_branch()):
                    return -1
                text = str(value)
                if destination.part == "username":
                    ruri.set_user(ctx, text)
                elif destination.part == "domain":
                    ruri.set_host(ctx, text)
                else:
                    ruri.set_ruri(ctx, text)
            elif not isinstance(value, str):
                return -1
            elif destination.name == "du":
                ctx.dst_uri = value
            elif not branches.append(ctx, Branch(value, send_socket=ctx.send_socket)):
                return -1
        return 1

    @staticmethod
    def destination(text: str) -> Destination:
        """Fixup: "$ru/username", "$du", "$br"."""
        return Destination(text)

    @function(ROUTES, which="checked", op_value="check")
    def avp_check(self, ctx: Context, which: Raw[Operand], op_value: Raw[Check]) -> bool:
        """Does a value fulfil "operator/value/flags"? The newest one of an AVP, any with flag g; of an AVP as value any.

        Operators: eq ne lt le gt ge, re (regular expression), fm (shell pattern), and or xor. Flag i: cases do not count.
        1 / -1.
        """
        values = which.values(ctx)
        wanted = op_value.operand.values(ctx)
        return any(op_value.holds(value, other) for value in (values if op_value.every else values[:1]) for other in wanted)

    @function(ROUTES, which="calculated", op_value="operation")
    def avp_op(self, ctx: Context, which: Raw[Route], op_value: Raw[Operation]) -> int:
        """Add "operator/value/flags" of every number of an AVP to it, or to another one ("$avp(a)/$avp(b)"); d deletes the old
        numbers. Operators: add sub mul div mod and or xor not. Of an AVP as value every number counts, one after the
        other. 1; -1 there is no number."""
        name = which.source.name(ctx)
        target = name if which.target is None else which.target.name(ctx)
        before = ctx.avps.get(name, []).copy()
        numbers = [place for place in range(len(before) - 1, -1, -1) if not isinstance(before[place], str)]
        wanted = [value for value in op_value.operand.values(ctx) if isinstance(value, int)]
        if not wanted or (not numbers and (op_value.operator != "not" or not before)):
            return -1
        if op_value.operator in ("div", "mod") and 0 in wanted:
            self.log.error("division by 0")
        results: list[int] = []
        for place in numbers or [-1]:
            value = int(before[place] or 0) if numbers else 0
            for other in wanted:
                value = wrap32(op_value.result(value, other))
                results.append(value)
        if op_value.delete:
            for place in numbers:
                _remove(ctx, name, place)
        for value in results:
            add(ctx, target, value)
        return 1

    @function(ROUTES, avps="substituted", subst="substitution")
    def avp_subst(self, ctx: Context, avps: Raw[Route], subst: Raw[Subst]) -> int:
        """Replace in the newest text of an AVP that the expression of subst matches, with g in all of them. The result
        replaces it, or is added to another AVP ("$avp(a)/$avp(b)/g"); d deletes the old one then too. 1; -1 no match."""
        name = avps.source.name(ctx)
        target = name if avps.target is None else avps.target.name(ctx)
        delete = avps.target is None or "d" in avps.flags
        before = ctx.avps.get(name, []).copy()
        made: list[str] = []
        gone: list[int] = []
        for place in range(len(before) - 1, -1, -1):
            value = plain(before[place])
            if isinstance(value, int):
                continue
            try:
                text, count = subst.apply(ctx, value)
            except ValueError as error:
                raise ScriptError(f"substitution: {error}") from None
            if count:
                made.append(text)
                gone.append(place)
                if "g" not in avps.flags:
                    break
        if not made:
            return -1
        if delete:
            for place in gone:
                _remove(ctx, name, place)
        for text in made:
            add(ctx, target, text)
        return 1


exports = AvpOps
