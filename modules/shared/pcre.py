r"""Perl-style regular expressions for modules whose manuals promise PCRE: Python's `re` covers what scripts and tables use of it
(\d, lazy quantifiers, lookaround, (?i) in front), with PCRE's spellings of what `re` calls otherwise."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from engine.script.posix_regex import CLASSES

_TOKEN: Final = re.compile(r"\\.|\[\^?\]?|\]|\(\?<(?=[A-Za-z_])|\(\?'([A-Za-z_]\w*)'", re.DOTALL)
_POSIX: Final = re.compile(r"\[:(\^?)([a-z]+):\]")
_OUTSIDE: Final = {
    r"\z": r"\Z", r"\Z": r"(?=\n?\Z)", r"\h": r"[ \t]", r"\H": r"[^ \t]", r"\R": r"(?:\r\n|[\n-\r])", r"\N": r"[^\n]", r"\e": r"\x1b",
}
_INSIDE: Final = {r"\h": r" \t", r"\e": r"\x1b"}


def translate(text: str) -> str:
    r"""A PCRE expression in the words of `re`: classes like [[:alpha:]], \z, \Z, \h, \R, (?<name>...). ValueError: an unknown
    class."""
    made: list[str] = []
    at = 0
    inside = False
    while at < len(text):
        if inside:
            posix = _POSIX.match(text, at)
            if posix is not None:
                if posix[1] or posix[2] not in CLASSES:
                    raise ValueError(f"unknown class {posix[0]}")
                made.append(CLASSES[posix[2]])
                at = posix.end()
                continue
        token = _TOKEN.match(text, at)
        if token is None:
            made.append(text[at])
            at += 1
            continue
        piece = token[0]
        at = token.end()
        if piece[0] == "\\":
            piece = (_INSIDE if inside else _OUTSIDE).get(piece, piece)
        elif inside:
            if piece[0] == "[":  # a plain character inside of a class
                at = token.start() + 1
                piece = r"\["
            elif piece == "]":
                inside = False
        elif piece[0] == "[":
            inside = True
        elif piece[0] == "(":
            piece = f"(?P<{token[1]}>" if token[1] else "(?P<"
        made.append(piece)
    return "".join(made)


@lru_cache(maxsize=512)
def compile_pcre(text: str, flags: int = 0) -> re.Pattern[str]:
    r"""An expression as PCRE means it: \w and friends are ASCII, $ matches before a last line feed too. ValueError: broken."""
    try:
        return re.compile(translate(text), flags | re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None
