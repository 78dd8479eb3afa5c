"""{nameaddr.*}: addresses as in From, Contact or Route: `{nameaddr.uri}` of the first, `{nameaddr.1.uri}` of the second.

The index may be negative (from the end) or a variable. What is missing is NULL, so is everything of a broken list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from engine.errors import ConfigError, SipParseError, UnknownName
from engine.script.transformations.base import Step, at_index
from engine.script.values import Value, number_of, text_of
from engine.script.varspec import Transformation, VarSpec, parse_format
from engine.sip.grammar import BLANKS, split_params, unquote
from engine.sip.headers import NameAddr, parse_nameaddr, parse_nameaddr_list

if TYPE_CHECKING:
    from engine.script.context import Context

_BARE_VARIABLE: Final = re.compile(r"(\$[A-Za-z0-9_]+)(\.[a-z]+)\Z", re.I)
_INDEXED: Final = re.compile(r"([+-]?[0-9]+)\.([a-z]+)\Z")


def addresses(text: str) -> list[NameAddr]:
    """The addresses of a list; ValueError when it is broken."""
    try:
        return parse_nameaddr_list(text)
    except SipParseError:
        pass
    try:
        return [parse_nameaddr(text)]  # one with a comma in its unquoted display name
    except SipParseError as error:
        raise ValueError(f"{text!r}: {error.message}") from None


def _uri(text: str, item: NameAddr, name: str) -> Value:
    return item.uri or None


def _name(text: str, item: NameAddr, name: str) -> Value:
    return item.display or None


def _params(text: str, item: NameAddr, name: str) -> Value:
    return item.params.strip(BLANKS) or None


def _len(text: str, item: NameAddr, name: str) -> Value:
    """Length of the address without its parameters. The last one of a text, when it has none, counts the line end that the
    reference puts behind it."""
    if not item.params and item.end >= len(text.rstrip(BLANKS)):
        return len(text) + 2 - item.start
    end = item.uri_end
    if item.bracketed:
        end = text.index(">", end) + 1
    return end - item.start


def _param(text: str, item: NameAddr, name: str) -> Value:
    """A parameter by its exact name; one without a value is NULL."""
    for piece in split_params(item.params):
        key, _, value = piece.partition("=")
        if key.strip(BLANKS) == name:
            return unquote(value.strip(BLANKS)) or None
    return None


_FUNCTIONS: Final[dict[str, Callable[[str, NameAddr, str], Value]]] = {
    "uri": _uri, "name": _name, "params": _params, "len": _len, "param": _param,
}


def bind(binder: Any, item: Transformation, pos: Any) -> Step:
    """The step of one {nameaddr...}."""
    index: int = 0
    get_index: Callable[[Context], Value] | None = None
    function = item.func
    if "$" in function:
        bare = _BARE_VARIABLE.match(function)  # in $rU.uri the dot belongs to the name as a format reads it, here it does not
        parts = parse_format(function, pos) if bare is None else [*parse_format(bare[1], pos), bare[2]]
        if len(parts) != 2 or not isinstance(parts[0], VarSpec) or not isinstance(parts[1], str) or parts[1][:1] != ".":
            raise ConfigError(f"bad index in the transformation {item.raw}")
        get_index = binder.bind(parts[0], pos).get
        function = parts[1][1:].strip().lower()
    else:
        match = _INDEXED.match(function)
        if match is not None:
            index, function = int(match[1]), match[2]
    call = _FUNCTIONS.get(function)
    if call is None:
        raise UnknownName(
            f"unknown transformation {{nameaddr.{item.func}}}", hint=f"known: {', '.join(sorted(_FUNCTIONS))}",
        )
    wanted = ""
    if function == "param":
        if not item.args or not isinstance(item.args[0], str):
            raise ConfigError(f"the transformation {item.raw} needs the name of a parameter")
        wanted = item.args[0]
    read = call
    raw = item.raw

    def step(ctx: Context, value: Value) -> Value:
        text = text_of(value)
        if not text:
            return None
        chosen = index
        if get_index is not None:
            number = number_of(get_index(ctx))
            if number is None:
                ctx.server.log.error("transformation %s: the index is no number", raw)
                return None
            chosen = number
        try:
            found = at_index(addresses(text), chosen)
        except ValueError as error:
            ctx.server.log.error("transformation %s: %s", raw, error)
            return None
        return None if found is None else read(text, found, wanted)

    return step
