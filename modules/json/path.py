"""What stands in $json(...): a name, then keys /key and indexes [3], [-1], [] (append), [$var(i)], then perhaps .keys or .values.

Blanks count. A key or an index may be a variable; it is read at every access.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from engine.module import Context, ScriptError, Value, number_of, text_of

Getter = Callable[[Context], Value]

KEYS, VALUES = "keys", "values"
_INTEGER: Final = re.compile(r"\s*([+-]?[0-9]+)")


class Append:
    """The step []."""


APPEND: Final = Append()
Place = str | int | Append


class Variable(NamedTuple):
    """A step that is known when it is read."""

    get: Getter
    is_index: bool
    text: str

    def place(self, ctx: Context) -> Place:
        """The key or index now. Raises ScriptError when the variable has none."""
        value = self.get(ctx)
        found: Place | None = number_of(value) if self.is_index else text_of(value)
        if found is None:
            raise ScriptError(f"{self.text} is no {'index' if self.is_index else 'key'}")
        return found


class JsonPath:
    """A parsed path."""

    __slots__ = ("text", "name", "steps", "constant", "what")

    def __init__(self, text: str, name: str, steps: list[Place | Variable], what: str) -> None:
        self.text = text
        self.name = name
        self.steps = steps
        self.constant: list[Any] | None = None if any(isinstance(step, Variable) for step in steps) else steps
        self.what = what
        """KEYS, VALUES or ""."""

    def places(self, ctx: Context) -> list[Any]:
        """The steps with the variables read. Raises ScriptError."""
        if self.constant is not None:
            return self.constant
        return [step.place(ctx) if isinstance(step, Variable) else step for step in self.steps]


def _end_of_index(text: str, start: int) -> int:
    """Where the ] of an index stands; brackets and parentheses of a variable in it are passed over. ValueError: nowhere."""
    depth = 0
    for at in range(start, len(text)):
        char = text[at]
        if char in "([":
            depth += 1
        elif char == "]" and depth == 0:
            return at
        elif char in ")]":
            depth -= 1
    raise ValueError("a bracket is not closed")


def _end_of_key(text: str, start: int) -> int:
    """Where a key ends; for a variable behind its parentheses."""
    depth = 0
    variable = text.startswith("$", start)
    for at in range(start, len(text)):
        char = text[at]
        if depth == 0 and char in "/[.":
            return at
        if variable:
            depth += (char == "(") - (char == ")")
    return len(text)


def parse_path(text: str, bind: Callable[[str], Getter]) -> JsonPath:
    """Read a path; bind makes a getter of a variable's text. Raises ValueError."""
    at = 0
    while at < len(text) and text[at] not in "/[.":
        at += 1
    name = text[:at]
    if not name:
        raise ValueError("the name is empty")
    steps: list[Place | Variable] = []
    what = ""
    while at < len(text):
        mark = text[at]
        start = at + 1
        if mark == "/":
            at = _end_of_key(text, start)
            key = text[start:at]
            steps.append(Variable(bind(key), False, key) if key.startswith("$") else key)
        elif mark == "[":
            end = _end_of_index(text, start)
            index = text[start:end]
            at = end + 1
            if not index.strip():
                steps.append(APPEND)
            elif index.startswith("$"):
                steps.append(Variable(bind(index), True, index))
            else:
                found = _INTEGER.match(index)
                if found is None:
                    raise ValueError(f"the index [{index}] is no integer")
                steps.append(int(found[1]))
        elif mark == ".":
            what = text[start:]
            if what not in (KEYS, VALUES):
                raise ValueError(f"only .keys or .values may stand at the end, not .{what}")
            at = len(text)
        else:
            raise ValueError(f"unexpected {mark!r} at position {at}")
    return JsonPath(text, name, steps, what)
