"""Helpers of the variable modules: lists with indexes, values with text and number, numbers of methods and protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from engine.errors import ScriptError
from engine.module import ALL_INDEXES
from engine.script.values import TextNumber, Value, text_of

if TYPE_CHECKING:
    from engine.script.context import Context

MAX_JOINED: Final = 511
"""Characters that [*] gives at most; more are an error and give NULL."""
DELIMITER: Final = ", "

_METHOD_NUMBERS: Final = (
    "INVITE", "CANCEL", "ACK", "BYE", "INFO", "OPTIONS", "UPDATE", "REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PRACK",
    "REFER", "PUBLISH",
)
METHODS: Final[dict[str, TextNumber]] = {name: TextNumber(name, 1 << at) for at, name in enumerate(_METHOD_NUMBERS)}
"""Method -> its text with the number it has in comparisons."""
OTHER_METHOD: Final = 1 << len(_METHOD_NUMBERS)
PROTOCOLS: Final[dict[str, int]] = {"udp": 1, "tcp": 2, "tls": 3, "sctp": 4, "ws": 5, "wss": 6}


def method_value(name: str) -> TextNumber:
    """A method as $rm gives it."""
    found = METHODS.get(name)
    return TextNumber(name, OTHER_METHOD) if found is None else found


def protocol_value(name: str) -> TextNumber:
    """A protocol as $rP gives it: the text as it is, the number of what it means."""
    return TextNumber(name, PROTOCOLS.get(name.lower(), 0))


def joined(ctx: Context, values: Sequence[Value], delimiter: str = DELIMITER) -> str | None:
    """All values for [*], NULL ones empty; None (and a log line) beyond 511 characters."""
    text = delimiter.join([text_of(value) or "" for value in values])
    if len(text) > MAX_JOINED:
        ctx.server.log.error("[*] gives %d characters, %d at most", len(text), MAX_JOINED)
        return None
    return text


def pick(ctx: Context, values: Sequence[Value], index: Any) -> Value:
    """A value of a list by index: None is the first, negative from the end, [*] all joined; NULL out of range."""
    if index is None:
        return values[0] if values else None
    if index == ALL_INDEXES:
        return joined(ctx, values) if values else None
    return values[index] if -len(values) <= index < len(values) else None


def required_text(value: Value, what: str) -> str:
    """The text of an assigned value; ScriptError for NULL and for a number without text."""
    text = text_of(value)
    if text is None:
        raise ScriptError(f"{what} takes a text")
    return text


def one_of(*names: str) -> Callable[[str], str]:
    """A parser of names in parentheses: one of these, case ignored; ValueError for any other."""
    known = {name.lower(): name for name in names}

    def parse(text: str) -> str:
        found = known.get(text.strip().lower())
        if found is None:
            raise ValueError(f"it is none of {', '.join(names)}")
        return found

    return parse
