"""Writing Python text: lines that remember which line of the script they come from, and names for bound objects.

The generated functions use globals for everything that was resolved at load: `f_t_relay` is a bound method, `v_ru` a getter,
`s_du` a setter, `rx_1` the search of a compiled expression. The names are made to be read in --show-python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any, Final

from engine.script.linemap import LineMap
from engine.script.nodes import Pos

_NOT_WORD: Final = re.compile(r"\W+", re.ASCII)


class Namespace:
    """Globals of the generated code; the same object under the same prefix gets the same name."""

    __slots__ = ("globals", "_names")

    def __init__(self, fixed: dict[str, Any]) -> None:
        self.globals = fixed
        self._names: dict[tuple[str, Any], str] = {}

    def name(self, prefix: str, item: Any, hint: str = "") -> str:
        """A global name for an object: prefix_hint, made unique."""
        # Two bound methods of one instance are equal but not the same.
        key = (prefix, item if item.__class__ is MethodType else id(item))
        found = self._names.get(key)
        if found is not None and self.globals[found] == item:
            return found
        base = f"{prefix}_{_NOT_WORD.sub('_', hint).strip('_')[:40]}".rstrip("_") if hint else prefix
        name, count = base, 1
        while name in self.globals:
            count += 1
            name = f"{base}_{count}"
        self.globals[name] = item
        self._names[key] = name
        return name


class Writer:
    """The text of one function."""

    __slots__ = ("lines", "numbers", "linemap", "number", "depth", "keeps_rc", "_temps")

    def __init__(self, linemap: LineMap, keeps_rc: bool = True) -> None:
        self.lines: list[str] = []
        self.numbers: list[int] = []
        """Line of the script for each line of the text."""
        self.linemap = linemap
        self.number = 1
        self.depth = 0
        self.keeps_rc = keeps_rc
        """$rc is read somewhere: ctx.rc is kept beside the local rc."""
        self._temps = 0

    def at(self, pos: Pos) -> None:
        """What is written next belongs to this place."""
        self.number = self.linemap.number(pos)

    def line(self, text: str) -> None:
        """One line at the current depth. Stores of ctx.rc are left out when nobody reads it."""
        if not self.keeps_rc and text.lstrip().startswith("ctx.rc = "):
            stripped = text.lstrip()
            if not stripped.startswith("ctx.rc = rc = "):
                return
            text = text[: len(text) - len(stripped)] + stripped[len("ctx.rc = "):]
        self.lines.append("    " * self.depth + text)
        self.numbers.append(self.number)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """`head` and what is written inside, one level deeper; an empty block gets a `pass`."""
        self.line(head)
        count = len(self.lines)
        self.depth += 1
        try:
            yield
            if len(self.lines) == count:
                self.line("pass")
        finally:
            self.depth -= 1

    def temp(self, prefix: str = "t") -> str:
        """A local name not used before."""
        self._temps += 1
        return f"{prefix}{self._temps}"

    def text(self) -> str:
        """The whole function."""
        return "\n".join(self.lines) + "\n"
