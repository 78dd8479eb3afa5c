"""The dummy request that startup, timer and event routes run with (language reference, section 7)."""

from __future__ import annotations

from engine.sip.message import Message, parse_message

_TEXT = (
    "DUMMY sip:user@dummy.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKdummy\r\n"
    "To: <sip:to@dummy.com>\r\n"
    "From: <sip:from@dummy.com>;tag=1\r\n"
    "Call-ID: dummy-1\r\n"
    "CSeq: 1 DUMMY\r\n\r\n"
)


def dummy_request() -> Message:
    """A message that nobody sent; it never changes and may be shared by all runs."""
    return parse_message(_TEXT)
