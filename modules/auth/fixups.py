"""What www_challenge() and proxy_challenge() take: qop and algorithms."""

from __future__ import annotations

from typing import Final

from engine.errors import ConfigError
from engine.sip.digest import ALGORITHMS, parse_algorithms

_OLD: Final[dict[str, str]] = {
    "0": "before release 3 that meant no qop: leave the parameter out",
    "1": 'before release 3 that meant "auth"',
}


def qop_list(text: str) -> str:
    """Fixup: "auth", "auth-int" or both. What the challenge says: two come out in the reverse order, as OpenSIPS has it; ""
    for none."""
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    for word in words:
        if word not in ("auth", "auth-int"):
            raise ConfigError(f"bad qop {word!r}, it is auth or auth-int", hint=_OLD.get(word, ""))
    if len(set(words)) < 2:
        return words[0] if words else ""
    return "auth-int,auth" if words[-1] == "auth-int" else "auth,auth-int"


def algorithm_list(text: str) -> tuple[str, ...]:
    """Fixup: algorithms, the strongest first; () for an empty list."""
    try:
        return parse_algorithms(text)
    except ValueError as error:
        raise ConfigError(str(error), hint=f"the known ones are {', '.join(ALGORITHMS)}") from None
