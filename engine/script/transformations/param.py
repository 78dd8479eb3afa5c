"""{param.*}: a parameter list `a=1;b;c="x;y"`. A list that is broken anywhere, or empty, is NULL for every function."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from engine.errors import SipParseError
from engine.script.transformations.base import Entry, at_index
from engine.sip.grammar import parse_params


def params_of(text: str) -> tuple[tuple[str, str | None], ...]:
    """The parameters in order; ValueError for an empty or a broken list. The last few texts are kept, short ones only."""
    return _kept(text) if len(text) <= 300 else _read(text)


def _read(text: str) -> tuple[tuple[str, str | None], ...]:
    try:
        found = parse_params(text)
    except SipParseError as error:
        raise ValueError(f"{text!r}: {error.message}") from None
    if not found:
        raise ValueError("an empty parameter list")
    return tuple(found)


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
