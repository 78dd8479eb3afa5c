"""CSeq numbers: a request sent again with credentials needs a higher one (RFC 3261 22.2), its replies the old one back."""

from __future__ import annotations

from engine.sip.edits import Edits
from engine.sip.grammar import capped_number
from engine.sip.message import Message
from modules.uac.names import current_text, put_text

MAX_NUMBER = 0x7FFFFFFF


def number_span(msg: Message) -> tuple[int, int] | None:
    """Offsets of the number in CSeq; None without a usable one. Raises SipParseError."""
    number = msg.cseq_number
    if number is None or not number.isascii() or not number.isdigit():
        return None
    index = msg.names.index("cseq")
    start = msg.value_start(index) + msg.raw_value(index).index(number)
    return start, start + len(number)


def present_number(msg: Message, edits: Edits) -> tuple[int, bool] | None:
    """The number a message will leave with, and whether somebody changed it; None without a usable one."""
    span = number_span(msg)
    if span is None:
        return None
    text, index = current_text(msg, edits, span)
    return (capped_number(text, MAX_NUMBER), index >= 0) if text.isdigit() else None


def renumber(msg: Message, edits: Edits, number: int) -> bool:
    """Let a message leave with another number; False when it has none or the number is none."""
    span = number_span(msg)
    if span is None or not 0 <= number <= MAX_NUMBER:
        return False
    put_text(edits, span, str(number), current_text(msg, edits, span)[1])
    return True
