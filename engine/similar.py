"""The name that was meant: what "did you mean" offers after a name that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The known name most like this one, the same letters in another case first; "" when none is like it."""
    names = list(known)
    folded = name.lower()
    same = [one for one in names if one.lower() == folded]
    if same:
        return same[0]
    found = get_close_matches(name, names, 1, cutoff)
    if found:
        return found[0]
    lower = {one.lower(): one for one in names}
    found = get_close_matches(folded, lower, 1, cutoff)
    return lower[found[0]] if found else ""


def nearest(name: str, known: Iterable[str], form: str = "{}") -> str:
    """A hint with the closest known name, written as in the script by `form`; "" when none is close."""
    found = closest(name, known)
    return f"did you mean {form.format(found)}?" if found else ""
