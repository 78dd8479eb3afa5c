"""Where replies go."""

from __future__ import annotations

import pytest

from engine.sip.headers import parse_via
from engine.transaction.place import reply_port, source_marks


@pytest.mark.parametrize(("via", "force", "marks", "port"), [
    ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx", False, (None, None), 5070),
    ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx", False, (None, None), 5060),
    ("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKx", False, ("10.0.0.1", None), 5070),
    ("SIP/2.0/UDP phone.invalid;branch=z9hG4bKx", False, ("10.0.0.1", None), 5060),
    ("SIP/2.0/UDP 10.0.0.1:5070;rport;branch=z9hG4bKx", False, ("10.0.0.1", 999), 999),
    ("SIP/2.0/UDP 10.0.0.1:5070;RPORT=1;branch=z9hG4bKx", False, ("10.0.0.1", 999), 999),
    ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKrport", False, (None, None), 5070),
    ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx", True, ("10.0.0.1", 999), 999),
    ("SIP/2.0/UDP 10.0.0.9;maddr=10.0.0.1;branch=z9hG4bKx", False, (None, None), 5060),
])
def test_marks_and_port(via: str, force: bool, marks: tuple[str | None, int | None], port: int) -> None:
    parsed = parse_via(via)
    assert source_marks(parsed, "10.0.0.1", 999, force) == marks
    assert reply_port(parsed, 999, marks[1]) == port


def test_ipv6_is_compared_without_brackets() -> None:
    assert source_marks(parse_via("SIP/2.0/UDP [::1]:5070;branch=z9hG4bKx"), "::1", 5070, False) == (None, None)
