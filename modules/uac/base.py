"""What the parts of uac share: the state of a request, and where it is kept."""

from __future__ import annotations

from typing import Any, Final

from engine.script.context import Context
from engine.sip.headers import NameAddr
from engine.sip.message import Message

NONE, MANUAL, AUTO = "none", "manual", "auto"
MODES: Final = (NONE, MANUAL, AUTO)
FROM, TO = "From", "To"


class State:
    """What uac did to one request; kept with its transaction as soon as there is one."""

    __slots__ = ("replaced", "restored", "renumbered", "top", "by_branch")

    def __init__(self) -> None:
        self.replaced: set[str] = set()
        """Headers the request route has replaced: once is enough."""
        self.restored: set[str] = set()
        """Headers that replies get back as the request had them."""
        self.renumbered = False
        """Replies get the old CSeq number back."""
        self.top = 0
        """The highest CSeq number the request was sent with, 0: the one it came with."""
        self.by_branch: dict[int, dict[str, str]] | None = None
        """Branch -> names for the dialog to keep when this branch is answered."""


def state_of(ctx: Context) -> State:
    """The state of the request of a run, made on first use."""
    transaction = ctx.transaction
    slots: dict[str, Any]
    if transaction is not None:
        slots = transaction.slots
    else:
        if ctx.slots is None:
            ctx.slots = {}
        slots = ctx.slots
    state: State | None = slots.get("uac")
    if state is None:
        state = slots["uac"] = State()
    return state


def address_of(msg: Message, header: str) -> NameAddr | None:
    """From or To, None when absent. Raises SipParseError."""
    return msg.from_ if header == FROM else msg.to
