"""Transformations `{class.function,arg,...}`: one file per class, bound once to a step that turns a value into the next one.

A class file holds pure functions and a table: name -> Entry(function, kinds of arguments). A function gets the text of the value
(its digits when the value is a number; with raw=True the value itself) and the arguments; it returns a value, None for NULL, or
raises ValueError with the reason that is logged. Classes whose arguments have their own form have a bind() instead.
Classes of modules come from the registry.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from engine.errors import ConfigError, ScriptError, UnknownName
from engine.script.values import Value, number_of, text_of
from engine.script.varspec import Transformation, VarSpec
from engine.similar import nearest

from . import csv, ip, nameaddr, param, re_, s, sdp, uri, via
from .base import Entry, Step, argument_number, argument_pad, argument_word

if TYPE_CHECKING:
    from engine.script.context import Context
    from engine.script.variables.binder import Binder

__all__ = ["Entry", "Step", "bind_step"]

Pos = tuple[str, int, int, int]

TABLES: Final[dict[str, dict[str, Entry]]] = {
    "s": s.TABLE, "uri": uri.TABLE, "via": via.TABLE, "param": param.TABLE, "csv": csv.TABLE, "ip": ip.TABLE, "sdp": sdp.TABLE,
}
_BINDERS: Final[dict[str, Callable[[Any, Transformation, Any], Step]]] = {"nameaddr": nameaddr.bind, "re": re_.bind}


def bind_step(binder: Binder, item: Transformation, pos: Pos | None = None) -> Step:
    """The step of one transformation. Raises UnknownName for an unknown class or function, ConfigError for bad arguments."""
    special = _BINDERS.get(item.cls)
    if special is not None:
        return special(binder, item, pos)
    table = TABLES.get(item.cls)
    if table is not None:
        entry = table.get(item.func)
        if entry is None:
            raise _unknown(binder, item, [f"{item.cls}.{name}" for name in table])
    else:
        entry = _module_entry(binder, item)
    return _bind_entry(binder, entry, item, pos)


def _unknown(binder: Binder, item: Transformation, known: list[str]) -> UnknownName:
    name = f"{item.cls}.{item.func}" if item.func else item.cls
    return UnknownName(f"unknown transformation {{{name}}}", hint=nearest(name, known, "{{{}}}"))


def _module_entry(binder: Binder, item: Transformation) -> Entry:
    """The entry of a transformation that a module exports."""
    name = f"{item.cls}.{item.func}" if item.func else item.cls
    table = binder.registry.transformations
    found = table.get(name)
    if found is None:
        known = [f"{cls}.{func}" for cls, entries in TABLES.items() for func in entries]
        known += ["nameaddr.uri", "re.subst", *table]
        raise _unknown(binder, item, known)
    instance, decl = found
    method = decl.call.__get__(instance, type(instance))
    hints = typing.get_type_hints(decl.call)
    names = list(decl.call.__code__.co_varnames[2:decl.call.__code__.co_argcount])
    optional = len(decl.call.__defaults__ or ())
    kinds = []
    for place, parameter in enumerate(names):
        kind = "int" if hints.get(parameter) is int else "text"
        kinds.append(kind + ("?" if place >= len(names) - optional else ""))
    return Entry(method, tuple(kinds))


def _bind_entry(binder: Binder, entry: Entry, item: Transformation, pos: Pos | None) -> Step:
    args: list[Any] = []
    dynamic = False
    if len(item.args) > len(entry.kinds) and entry.kinds:
        raise ConfigError(f"too many arguments in the transformation {item.raw}")
    for place, kind in enumerate(entry.kinds):
        if place >= len(item.args):
            if kind.endswith("?"):
                break
            raise ConfigError(f"the transformation {item.raw} lacks an argument")
        bound = _argument(binder, kind.rstrip("?"), item.args[place], item, place == len(entry.kinds) - 1, pos)
        dynamic = dynamic or callable(bound)
        args.append(bound)
    if entry.context is not None:
        return entry.context(binder, tuple(args), item)
    if dynamic:
        return _dynamic_step(entry, tuple(args), item.raw)
    return _constant_step(entry, tuple(args), item.raw)


def _argument(binder: Binder, kind: str, given: str | VarSpec, item: Transformation, last: bool, pos: Pos | None) -> Any:
    """A constant, or a function of ctx. last: nothing reads what stands behind the number or the word, as OpenSIPS does."""
    if isinstance(given, VarSpec):
        if kind.startswith("const"):
            raise ConfigError(f"the transformation {item.raw} takes no variable here")
        get = binder.bind(given, pos).get
        if kind in ("int", "natural"):
            return lambda ctx: number_of(get(ctx))
        if kind == "which":
            return get
        return lambda ctx: text_of(get(ctx))
    if kind in ("int", "const int", "natural"):
        number = argument_number(given, last)
        if number is None:
            raise ConfigError(f"{given!r} in the transformation {item.raw} is no number")
        if kind == "natural" and number < 0:
            raise ConfigError(f"{given!r} in the transformation {item.raw} is negative")
        return number
    if kind == "const text":
        return argument_pad(given, item.raw) if item.func.startswith("fill.") else given
    text = argument_word(given)
    if text is None and item.func in ("index", "rindex"):
        raise ConfigError(f"a blank inside {given!r} in the transformation {item.raw}", hint="put the text into a variable")
    return given.split()[0] if text is None else text


def _constant_step(entry: Entry, args: tuple[Any, ...], raw: str) -> Step:
    call = entry.call
    takes_value = entry.raw
    if not args:
        def plain(ctx: Context, value: Value) -> Value:
            try:
                if value.__class__ is str or takes_value:
                    return call(value)  # type: ignore[no-any-return]
                text = text_of(value)
                return None if text is None else call(text)
            except (ValueError, ScriptError) as error:
                ctx.server.log.error("transformation %s: %s", raw, error)
                return None

        return plain

    def with_args(ctx: Context, value: Value) -> Value:
        try:
            if value.__class__ is str or takes_value:
                return call(value, *args)  # type: ignore[no-any-return]
            text = text_of(value)
            return None if text is None else call(text, *args)
        except (ValueError, ScriptError) as error:
            ctx.server.log.error("transformation %s: %s", raw, error)
            return None

    return with_args


def _dynamic_step(entry: Entry, args: tuple[Any, ...], raw: str) -> Step:
    call = entry.call
    takes_value = entry.raw

    def step(ctx: Context, value: Value) -> Value:
        given = [arg(ctx) if callable(arg) else arg for arg in args]
        if None in given or "" in given:
            ctx.server.log.error("transformation %s: an argument has no value", raw)
            return None
        whole: Value = value if takes_value else text_of(value)
        if whole is None:
            return None
        try:
            return call(whole, *given)  # type: ignore[no-any-return]
        except (ValueError, ScriptError) as error:
            ctx.server.log.error("transformation %s: %s", raw, error)
            return None

    return step
