r"""Shell patterns as C's fnmatch() reads them with FNM_PERIOD: * ? [a-z] [!a-z] [[:digit:]] \x, and a leading dot only matches a
dot that is written."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_CLASSES: Final = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s", "blank": r" \t",
    "xdigit": "0-9a-fA-F", "punct": r"!-/:-@\[-`{-~", "cntrl": r"\x00-\x1f\x7f", "print": " -~", "graph": "!-~",
}
_CLASS: Final = re.compile(r"\[:([a-z]+):\]")


class _NoMatch(Exception):
    """The pattern matches nothing."""


def _set(pattern: str, start: int) -> tuple[str, int] | None:
    """A set in brackets whose "[" is in front of start, as a regular expression, and the place behind it; None: it has no end, so
    the bracket stands for itself. Raises _NoMatch."""
    at = start
    negated = pattern[at:at + 1] in ("!", "^")
    at += negated
    parts: list[str] = []
    first = True
    while at < len(pattern):
        char = pattern[at]
        if char == "]" and not first:
            return f"[{'^' if negated else ''}{''.join(parts)}]" if parts else "(?!)", at + 1
        first = False
        named = _CLASS.match(pattern, at)
        if named is not None:
            if named[1] not in _CLASSES:
                raise _NoMatch
            parts.append(_CLASSES[named[1]])
            at = named.end()
            continue
        low, at = _member(pattern, at)
        if pattern[at:at + 1] == "-" and pattern[at + 1:at + 2] != "]":
            if at + 1 >= len(pattern):
                raise _NoMatch
            high, at = _member(pattern, at + 1)
            if low <= high:
                parts.append(f"{re.escape(low)}-{re.escape(high)}")
            elif not parts:
                # An empty range in a set: the set may have other members, or none.
                parts.append(r"\ud800")
        else:
            parts.append(re.escape(low))
    return None


def _member(pattern: str, at: int) -> tuple[str, int]:
    """One character of a set, a backslash in front of it taken away, and the place behind it."""
    if pattern[at] == "\\" and at + 1 < len(pattern):
        at += 1
    return pattern[at], at + 1


def _translated(pattern: str) -> str:
    """The regular expression of a pattern. Raises _NoMatch."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        wild = ""
        if char == "*":
            wild = "" if out[-1:] == [".*"] else ".*"
        elif char == "?":
            wild = "."
        elif char == "[" and (found := _set(pattern, at)) is not None:
            wild, at = found
        elif char == "\\":
            if at >= len(pattern):
                raise _NoMatch
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(char))
        if wild:
            if not out:
                out.append(r"(?!\.)")
            out.append(wild)
    return "".join(out)


@lru_cache(maxsize=2048)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """The regular expression of a shell pattern, for fullmatch()."""
    try:
        return re.compile(_translated(pattern), re.DOTALL)
    except (_NoMatch, re.error):
        return re.compile(r"(?!)")


def matches_glob(pattern: str, text: str) -> bool:
    """Whether the whole text is what the pattern describes."""
    return compile_glob(pattern).fullmatch(text) is not None
