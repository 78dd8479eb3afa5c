"""What is gathered for accounting: which reports are wanted, the values of $acc_extra and $acc_leg, and the facts of a reply.

An Account belongs to a request and, when a CDR is wanted, to the dialog of the call. A Hold is one message's (and its
transaction's) hold on an account.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import SipParseError
from engine.sip.message import Request, Response
from engine.sip.names import reason_phrase

# One byte of a mask for each backend; the numbers are those OpenSIPS keeps with a dialog.
LOG: Final = 1
AAA: Final = 1 << 8
DB: Final = 1 << 16
EVI: Final = 1 << 24
BACKENDS: Final = {"log": LOG, "aaa": AAA, "db": DB, "evi": EVI}
ALL: Final = LOG | AAA | DB | EVI

# Within a byte: the backend is wanted, and for what else.
CDR: Final = 2
MISSED: Final = 4
FAILED: Final = 8
FLAGS: Final = {"cdr": CDR, "missed": MISSED, "failed": FAILED}

CDR_STARTED: Final = 1 << 49
"""What a CDR needs was set up."""
CDR_DONE: Final = 1 << 52
"""The call has ended, its CDR is written or about to be."""

_LENGTH: Final = struct.Struct("<H")


@dataclass(slots=True)
class Facts:
    """The fixed part of a report."""

    method: str
    from_tag: str
    to_tag: str
    call_id: str
    code: str
    """Three digits, "" when a comment has none."""
    reason: str
    time: float
    """Seconds since 1970."""

    @property
    def values(self) -> tuple[str, str, str, str, str, str]:
        """All but the time, in the order of every backend."""
        return self.method, self.from_tag, self.to_tag, self.call_id, self.code, self.reason


class Account:
    """What one request or call is accounted with."""

    __slots__ = ("flags", "extra", "legs", "table", "created", "answered", "ended")

    def __init__(self, with_legs: bool) -> None:
        self.flags = 0
        self.extra: dict[str, str | None] = {}
        """Tag -> value; None when it was taken away, absent when it was never set."""
        self.legs: list[dict[str, str | None]] | None = [{}] if with_legs else None
        self.table = ""
        """Where rows of answered calls go, "" when no database is wanted."""
        self.created = 0
        """When the call began, seconds since 1970; known with a CDR only."""
        self.answered: Facts | None = None
        """The 2xx of a call with a CDR."""
        self.ended = 0.0
        """When its BYE came."""

    def merge(self, other: Account) -> None:
        """Take over the values another one was given."""
        self.extra.update(other.extra)
        if self.legs is not None and other.legs is not None:
            while len(self.legs) < len(other.legs):
                self.legs.append({})
            for own, given in zip(self.legs, other.legs):
                own.update(given)


class Hold:
    """What a message and its transaction have to do with accounts."""

    __slots__ = ("account", "armed", "upstream", "dialog", "bye", "outer", "loaded")

    def __init__(self, account: Account) -> None:
        self.account = account
        """What the variables are about."""
        self.armed: Account | None = None
        """do_accounting() was called: the replies of the transaction are reported with this one. It is another one than `account`
        when the request turned out to belong to a dialog that has one."""
        self.upstream = False
        """The request goes against the direction of its dialog: From and To change places."""
        self.dialog: Any = None
        """The dialog that gets a CDR when this INVITE is answered."""
        self.bye: Account | None = None
        """The message is the BYE that ends this call: its final reply writes the CDR."""
        self.loaded = False
        """Made by acc_load_ctx_from_dlg()."""
        self.outer: Hold | None = None
        """What was there before that."""


def facts_of_reply(request: Request, code: int, response: Response | None, upstream: bool, now: float) -> Facts:
    """The facts of a reply that was received, or made here (response None)."""
    to_tag = _tag(request if response is None else response, "to")
    from_tag = _tag(request, "from")
    if upstream:
        from_tag, to_tag = to_tag, from_tag
    reason = reason_phrase(code) if response is None else response.reason_phrase
    return Facts(request.method, from_tag, to_tag, request.call_id or "", f"{code:03d}", reason, now)


def facts_of_comment(request: Request, comment: str, upstream: bool, now: float) -> Facts:
    """The facts of a request with a comment: "480 Nobody Home", or a text without code."""
    code, reason = "", comment
    if len(comment) >= 3 and comment[:3].isascii() and comment[:3].isdigit():
        code, reason = comment[:3], comment[3:].lstrip()
    from_tag, to_tag = _tag(request, "from"), _tag(request, "to")
    if upstream:
        from_tag, to_tag = to_tag, from_tag
    return Facts(request.method, from_tag, to_tag, request.call_id or "", code, reason or reason_phrase(int(code or 0)), now)


def _tag(msg: Request | Response, which: str) -> str:
    try:
        return (msg.from_tag if which == "from" else msg.to_tag) or ""
    except SipParseError:
        return ""


# ---- kept with the dialog in the database, in the form OpenSIPS gives it


def pack(values: list[str | None]) -> str:
    """Texts, each behind its length."""
    return "".join([_LENGTH.pack(len(text)).decode("latin-1") + text for text in [(value or "")[:0xFFFF] for value in values]])


def unpack(text: str, count: int) -> list[str]:
    """The first so many texts. Raises ValueError when there are fewer."""
    found = []
    at = 0
    for _ in range(count):
        if at + 2 > len(text):
            raise ValueError("the stored values are cut off")
        size = number(text, at)
        if at + 2 + size > len(text):
            raise ValueError("the stored values are cut off")
        found.append(text[at + 2:at + 2 + size])
        at += 2 + size
    return found


def number(text: str, at: int = 0) -> int:
    """The 16-bit number at an offset."""
    return ord(text[at]) | ord(text[at + 1]) << 8


def pack_numbers(*values: int) -> str:
    """16-bit numbers."""
    return "".join([_LENGTH.pack(value & 0xFFFF).decode("latin-1") for value in values])


def pack_long(*values: int) -> str:
    """64-bit numbers."""
    return struct.pack(f"<{len(values)}Q", *values).decode("latin-1")


def unpack_long(text: str) -> tuple[int, ...]:
    """64-bit numbers. Raises ValueError."""
    data = text.encode("latin-1", "replace")
    if not data or len(data) % 8:
        raise ValueError("the stored values are cut off")
    return struct.unpack(f"<{len(data) // 8}Q", data)
