"""Rule files in the manner of hosts.allow: who may go where.

    # comment
    ALL : "^sip:361[0-9]*@abc\\.com$" EXCEPT "^sip:361[0-9]*3@abc\\.com$"
    "^sip:alice@", "^sip:bob@" : ALL

Left of the colon stand expressions for the caller, right of it for the destination; POSIX extended, case ignored, found anywhere
in the URI unless anchored. EXCEPT takes away from what stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from engine.script.posix_regex import compile_posix

Patterns = tuple[re.Pattern[str], ...]


class Side(NamedTuple):
    """One side of a rule."""

    wanted: Patterns | None
    """None is ALL."""
    exceptions: Patterns

    def matches(self, uri: str) -> bool:
        """Whether a URI is meant."""
        return (self.wanted is None or _any(self.wanted, uri)) and not _any(self.exceptions, uri)


class Rule(NamedTuple):
    """One line of a file."""

    left: Side
    right: Side


Rules = tuple[Rule, ...]


def _any(patterns: Patterns, uri: str) -> bool:
    return any(pattern.search(uri) for pattern in patterns)


def allows(rules: Rules, left: str, right: str) -> bool:
    """Whether one of the rules is about this pair."""
    return any(rule.left.matches(left) and rule.right.matches(right) for rule in rules)


def _split(line: str) -> tuple[str, str] | None:
    """Both sides of a line, comments gone; None for a line without rule. Raises ValueError."""
    quoted = False
    colon = end = -1
    for end, char in enumerate(line):
        if char == '"':
            quoted = not quoted
        elif not quoted and char == ":":
            colon = end
        elif not quoted and char == "#":
            break
    else:
        end += 1
    text = line[:end]
    if not text.strip():
        return None
    if colon <= 0 or not text[colon + 1:].strip():
        raise ValueError("a rule is of the form caller : destination")
    return text[:colon], text[colon + 1:]


def _patterns(text: str) -> Patterns:
    """Expressions between commas, with or without quotes. Raises ValueError."""
    pieces: list[str] = []
    quoted = False
    start = 0
    for at, char in enumerate(text + ","):
        if char == '"':
            quoted = not quoted
        elif char == "," and (not quoted or at == len(text)):
            pieces.append(text[start:at].strip())
            start = at + 1
    found = []
    for piece in pieces:
        plain = piece.removeprefix('"').removesuffix('"')
        if not plain:
            raise ValueError("there is an empty expression")
        found.append(compile_posix(plain))
    return tuple(found)


def _side(text: str) -> Side:
    before, word, after = text.partition(" EXCEPT ")
    exceptions = _patterns(after) if word else ()
    wanted = before.strip()
    return Side(None if wanted == "ALL" else _patterns(wanted), exceptions)


def parse_rules(text: str, complain: Callable[[int, str], None]) -> Rules:
    """The rules of a file's text; complain(line number, what is wrong) is told of lines that are no good."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            sides = _split(line)
            if sides is not None:
                found.append(Rule(_side(sides[0]), _side(sides[1])))
        except ValueError as error:
            complain(number, str(error))
    return tuple(found)


def read_rules(path: Path, complain: Callable[[int, str], None]) -> Rules | None:
    """The rules of a file, None when it cannot be read."""
    try:
        text = path.read_text("latin-1")
    except OSError:
        return None
    return parse_rules(text, complain)
