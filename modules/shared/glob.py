r"""Shell patterns as C's fnmatch() reads them with FNM_PERIOD: * ? [a-z] [!a-z] \x, and a leading dot only matches a dot."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_SET: Final = re.compile(r"\[([!^]?)(\]?[^\]]*)\]")


@lru_cache(maxsize=2048)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """The regular expression of a shell pattern, for fullmatch()."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        wild = ""
        if char == "*":
            at += 1
            while pattern[at:at + 1] == "*":
                at += 1
            wild = ".*"
        elif char == "?":
            at += 1
            wild = "."
        elif char == "[" and (found := _SET.match(pattern, at)) is not None:
            at = found.end()
            inside = re.sub(r"([\[\\&~|^])", r"\\\1", found[2])
            wild = f"[{'^' if found[1] else ''}{inside}]"
        elif char == "\\" and at + 1 < len(pattern):
            out.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            out.append(re.escape(char))
            at += 1
        if wild:
            out.append(wild if out else f"(?!\\.){wild}")
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error:
        # A set such as [z-a] matches nothing.
        return re.compile(r"(?!)")


def matches_glob(pattern: str, text: str) -> bool:
    """Whether the whole text is what the pattern describes."""
    return compile_glob(pattern).fullmatch(text) is not None
