"""Fixups of tm's script functions: what a literal means, judged once at load."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import ConfigError
from modules.tm.requests import ALLOW_NO_CANCEL, NO_AUTO_477, NO_DNS_FAILOVER, PASS_REASON

_RELAY_FLAGS: Final = {
    "no-auto-477": NO_AUTO_477, "no-dns-failover": NO_DNS_FAILOVER, "pass-reason-hdr": PASS_REASON,
    "allow-no-cancel": ALLOW_NO_CANCEL,
}
CANCEL_OTHERS: Final = 1
CANCEL_ALL: Final = 2
FROM_MSG: Final = "msg"
FROM_EVENT: Final = "event"
INJECT_CANCEL: Final = 1
INJECT_LAST: Final = 2


def relay_flags(text: str) -> int:
    """Fixup: names separated by commas (3.6) or a number (3.1)."""
    mask = 0
    for word in text.split(","):
        name = word.strip().lower()
        if not name:
            continue
        try:
            mask |= _RELAY_FLAGS[name] if name in _RELAY_FLAGS else int(name, 0)
        except ValueError:
            raise ConfigError(f"unknown flag {word.strip()!r}", hint=f"known: {', '.join(_RELAY_FLAGS)}") from None
    return mask


relay_flags.takes_numbers = True  # type: ignore[attr-defined]  # t_relay(0x02) of 3.1


def replied_kind(text: str) -> str:
    """Fixup of t_local_replied()."""
    if text.lower() not in ("all", "branch", "last"):
        raise ConfigError(f"t_local_replied: {text!r} is none of all, branch, last")
    return text.lower()


def cancel_scope(text: str) -> int:
    """Fixup of t_cancel_branch()."""
    scope = 0
    for letter in text.lower():
        if letter == "a":
            scope |= CANCEL_ALL
        elif letter == "o":
            scope |= CANCEL_OTHERS
        else:
            raise ConfigError(f"t_cancel_branch: unknown flag {letter!r}", hint="a all branches, o all others")
    return scope


def inject_source(text: str) -> str:
    """Fixup of t_inject_branches()."""
    if text.lower() not in (FROM_MSG, FROM_EVENT):
        raise ConfigError(f"t_inject_branches: {text!r} is none of msg, event")
    return text.lower()


def inject_flags(text: str) -> int:
    """Fixup of t_inject_branches(): c or cancel, l or last, separated by commas."""
    names = {"c": INJECT_CANCEL, "cancel": INJECT_CANCEL, "l": INJECT_LAST, "last": INJECT_LAST}
    mask = 0
    for word in text.split(","):
        if word.strip():
            found = names.get(word.strip().lower())
            if found is None:
                raise ConfigError(f"t_inject_branches: unknown flag {word.strip()!r}", hint="cancel, last")
            mask |= found
    return mask


def no_cluster_function(*_: Any) -> None:
    """Check of t_anycast_replicate()."""
    raise ConfigError("t_anycast_replicate() needs the clusterer module, which this server does not have")
