"""What the transformation classes share: the entry of a table, the type of a step, the reading of constant arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from engine.errors import ConfigError
from engine.script.values import Value

if TYPE_CHECKING:
    from engine.script.context import Context

T = TypeVar("T")

Step = Callable[["Context", Value], Value]
"""step(ctx, value) -> value; value is never None."""

_NUMBER: Final = re.compile(r"[+-]?[ \t]*[0-9]+")


class Entry:
    """One function of a class.

    kinds: "text", "int", "which" (a name or an index), "const text", "const int" (no variables); with "?" behind optional ones.
    raw: the function gets the value itself, not its text. context: called at load with (binder, args, item) for the step of a
    function that needs the run.
    """

    __slots__ = ("call", "kinds", "raw", "context")

    def __init__(self, call: Any, kinds: tuple[str, ...] = (), raw: bool = False, context: Any = None) -> None:
        self.call = call
        self.kinds = kinds
        self.raw = raw
        self.context = context


def argument_number(text: str, last: bool = True) -> int | None:
    """A constant number argument: an optional sign and digits, and behind them anything when it is the last argument."""
    match = _NUMBER.match(text)
    if match is None or not last and match.end() < len(text):
        return None
    return int(match[0].replace(" ", "").replace("\t", ""))


def argument_word(text: str) -> str | None:
    """A constant text argument, trimmed by the parser; None when there is a blank inside, where it would end."""
    return text if not any(char in " \t\r\n" for char in text) else None


def argument_pad(text: str, raw: str) -> str:
    """The filling of {s.fill.*}: blanks may be part of it, in quotes also at its ends."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if not text:
        raise ConfigError(f"the transformation {raw} has nothing to fill with", hint="a blank is written ' '")
    return text


def at_index(items: Sequence[T], index: int) -> T | None:
    """The index-th item, negative from the end; None out of range."""
    return items[index] if -len(items) <= index < len(items) else None
