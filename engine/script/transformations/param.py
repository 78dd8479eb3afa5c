"""{param.*}: a parameter list `a=1;b;c="x;y"`. A list that is broken anywhere, or empty, is NULL for every function.

The list ends at the end of the text, or where a `,` or a `>` follows a parameter, so that the rest of a header may stand behind
it. A name ends at a blank, `=`, `;` or `,`; a value that is not quoted at a blank, `;` or `,`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from engine.script.transformations.base import Entry, at_index

_NAME: Final = re.compile(r"([^ \t\r\n;,=]*)[ \t\r\n]*")
_VALUE: Final = re.compile(r"[ \t\r\n]*(?:\"([^\"]*)\"|([^ \t\r\n;,\"][^ \t\r\n;,]*))[ \t\r\n]*")
_NEXT: Final = re.compile(r";[ \t\r\n]*(?=.)", re.S)


def params_of(text: str) -> tuple[tuple[str, str | None], ...]:
    """The parameters in order; ValueError for an empty or a broken list. The last few texts are kept, short ones only."""
    return _kept(text) if len(text) <= 300 else _read(text)


def _read(text: str) -> tuple[tuple[str, str | None], ...]:
    if not text:
        raise ValueError("an empty parameter list")
    found: list[tuple[str, str | None]] = []
    at = 0
    while True:
        name = _NAME.match(text, at)
        assert name is not None  # it matches nothing as well
        at = name.end()
        given = None
        if text.startswith("=", at):
            body = _VALUE.match(text, at + 1)
            if body is None:
                raise ValueError(f"{text!r}: the value of {name[1]} is missing or its quote is not closed")
            given = body[1] if body[2] is None else body[2]
            at = body.end()
        found.append((name[1], given))
        if at == len(text) or text[at] in ",>":
            return tuple(found)
        more = _NEXT.match(text, at)
        if more is None:
            reason = "a parameter is missing behind ;" if text[at] == ";" else f"; expected before {text[at]}"
            raise ValueError(f"{text!r}: {reason}")
        at = more.end()


_kept: Final = lru_cache(maxsize=4096)(_read)


def count(text: str) -> int:
    return len(params_of(text))


def value(text: str, name: str) -> str | None:
    """Value of the first parameter of that name, case ignored; "" without a value."""
    wanted = name.lower()
    for key, found in params_of(text):
        if key.lower() == wanted:
            return found or ""
    return None


def valueat(text: str, index: int) -> str | None:
    found = at_index(params_of(text), index)
    return None if found is None else found[1] or ""


def name(text: str, index: int) -> str | None:
    found = at_index(params_of(text), index)
    return None if found is None else found[0]


def exist(text: str, name: str) -> int:
    return 0 if value(text, name) is None else 1


TABLE: Final[dict[str, Entry]] = {
    "count": Entry(count), "value": Entry(value, ("text",)), "valueat": Entry(valueat, ("int",)), "name": Entry(name, ("int",)),
    "exist": Entry(exist, ("text",)), "exists": Entry(exist, ("text",)),
}
