"""Substitution expressions `/pattern/replacement/flags`, as {re.subst} and the subst functions take them.

Any character but the backslash may be the separator. The pattern is POSIX extended, cases count unless flag `i`; flag `g`
replaces all matches, flag `s` lets `.` match line feeds. In the replacement `\\0` ... `\\9` are groups, `\\n \\r \\t` control
characters, `\\u` the Request-URI, variables are expanded, and any other escaped character stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from engine.script.posix_regex import compile_posix
from engine.script.values import Value, print_of
from engine.script.varspec import VarSpec, parse_format

if TYPE_CHECKING:
    from engine.script.context import Context

_CONTROL: Final[dict[str, str]] = {"n": "\n", "r": "\r", "t": "\t"}
Getter = "Callable[[Context], Value]"


class Subst:
    """A parsed substitution."""

    __slots__ = ("pattern", "parts", "every")

    def __init__(self, pattern: re.Pattern[str], parts: list[str | int | Callable[[Context], Value]], every: bool) -> None:
        self.pattern = pattern
        self.parts = parts
        """Pieces of the replacement: text, number of a group, or getter of a variable."""
        self.every = every

    def apply(self, ctx: Context, text: str) -> tuple[str, int]:
        """The text with the matches replaced, and how many there were.

        Raises ValueError for an empty match, which the reference refuses because it would never end.
        """
        out: list[str] = []
        at = 0
        count = 0
        for start, end, replacement in self.changes(ctx, text):
            count += 1
            out.append(text[at:start])
            out.append(replacement)
            at = end
        if not count:
            return text, 0
        out.append(text[at:])
        return "".join(out), count

    def changes(self, ctx: Context, text: str, start: int = 0) -> list[tuple[int, int, str]]:
        """(start, end, replacement) of each match from `start` on; raises ValueError as apply() does."""
        found: list[tuple[int, int, str]] = []
        search = self.pattern.search
        # Behind the first match `^` must not match again at its end: search() with a position keeps the line rules.
        match = search(text, start)
        while match is not None:
            if match.start() == match.end():
                raise ValueError("the expression matches nothing")
            found.append((match.start(), match.end(), self._replacement(ctx, match)))
            match = search(text, match.end()) if self.every and match.end() < len(text) else None
        return found

    def _replacement(self, ctx: Context, match: re.Match[str]) -> str:
        """The replacement for one match."""
        out: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, int):
                if part <= match.re.groups:
                    out.append(match[part] or "")
            else:
                out.append(print_of(part(ctx)))
        return "".join(out)


def _find_end(text: str, at: int, mark: str) -> int:
    """Offset of the next separator that no backslash escapes, -1 without one."""
    while True:
        at = text.find(mark, at)
        if at < 0 or text[at - 1] != "\\":
            return at
        at += 1


def parse_subst(text: str, bind: Callable[[VarSpec], Callable[[Context], Value]]) -> Subst:
    """Parse a substitution; bind(spec) gives the getter of a variable in the replacement.

    Raises ValueError for a broken one, ConfigError for an unknown variable.
    """
    if len(text) < 3:
        raise ValueError("the substitution is too short")
    mark = text[0]
    if mark == "\\":
        raise ValueError("a backslash cannot separate the parts of a substitution")
    end = _find_end(text, 1, mark)
    if end < 0:
        raise ValueError(f"the separator {mark} is missing behind the pattern")
    parts, stop = _replacement(text, end + 1, mark, bind)
    flags = text[stop + 1:]
    for flag in flags:
        if flag not in "igs":
            raise ValueError(f"unknown flag {flag} of a substitution")
    pattern = compile_posix(text[1:end], "i" in flags, "s" not in flags)
    return Subst(pattern, parts, "g" in flags)


def _replacement(
    text: str, at: int, mark: str, bind: Callable[[VarSpec], Callable[[Context], Value]],
) -> tuple[list[str | int | Callable[[Context], Value]], int]:
    """The pieces of the replacement that begins at `at`, and the offset of the separator behind it."""
    parts: list[str | int | Callable[[Context], Value]] = []
    plain: list[str] = []

    def flush() -> None:
        if plain:
            parts.append("".join(plain))
            plain.clear()

    size = len(text)
    while at < size:
        char = text[at]
        if char == "\\" and at + 1 < size:
            follower = text[at + 1]
            at += 2
            if follower.isdigit():
                flush()
                parts.append(int(follower))
            elif follower == "u":
                flush()
                parts.append(_request_uri)
            else:
                plain.append(_CONTROL.get(follower, follower))
        elif char == "$":
            flush()
            spec, at = _variable(text, at)
            parts.append(bind(spec))
        elif char == mark:
            flush()
            return parts, at
        else:
            plain.append(char)
            at += 1
    raise ValueError(f"the separator {mark} is missing behind the replacement")


def _request_uri(ctx: Context) -> Value:
    return ctx.ruri


def _variable(text: str, at: int) -> tuple[VarSpec, int]:
    """The variable at a dollar sign and the offset behind it."""
    pieces = parse_format(text[at:])
    first = pieces[0]
    if not isinstance(first, VarSpec):
        raise ValueError("a lone $ in a replacement: write \\$")
    return first, at + len(first.raw)
