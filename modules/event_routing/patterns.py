"""Shell patterns as fnmatch(3) reads them, which is what filters of event_routing are compared by.

`*` is any text, `?` one character, `[a-c]` and `[!x]` or `[^x]` a set, a backslash takes the meaning of what follows.
Python's own fnmatch knows no backslash, so the translation is here. Texts are compared with their case.
"""

import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def compile_shell(pattern: str) -> re.Pattern[str] | None:
    """The pattern as a regular expression for the whole text; None when it matches everything ("*")."""
    if pattern.strip("*") == "" and pattern:
        return None
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if not out or out[-1] != ".*":
                out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "\\" and at < len(pattern):
            out.append(re.escape(pattern[at]))
            at += 1
        elif char == "[":
            end = _set_end(pattern, at)
            if end < 0:
                out.append(r"\[")
            else:
                out.append(_set(pattern[at:end]))
                at = end + 1
        else:
            out.append(re.escape(char))
    return re.compile("".join(out), re.DOTALL)


def _set_end(pattern: str, start: int) -> int:
    """Offset of the bracket that closes a set; one right behind the start belongs to the set. -1: never closed."""
    at = start
    if pattern[at:at + 1] in ("!", "^"):
        at += 1
    return pattern.find("]", at + 1)


def _set(inner: str) -> str:
    negated = inner[0] in "!^"
    members = inner[1:] if negated else inner
    text = re.sub(r"([\\\[\]^&~|])", r"\\\1", members)
    # A range that runs backwards ("z-a") holds nothing; Python would refuse it.
    if any(text[i + 1] == "-" and text[i] > text[i + 2] for i in range(len(text) - 2)):
        return r"[^\x00-\xff]" if not negated else "."
    return f"[{'^' if negated else ''}{text}]"


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches the shell pattern."""
    compiled = compile_shell(pattern)
    return compiled is None or compiled.fullmatch(text) is not None
