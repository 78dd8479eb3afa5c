"""Header names and reason phrases."""

import pytest

from engine.sip.names import REASONS, canonical, reason_phrase


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Via", "via"),
        ("v", "via"),
        ("V", "via"),
        ("VIA", "via"),
        ("vIa", "via"),
        ("Call-ID", "call-id"),
        ("i", "call-id"),
        ("CALL-id", "call-id"),
        ("l", "content-length"),
        ("Cseq", "cseq"),
        ("To \t", "to"),
        ("X-Odd", "x-odd"),
        ("k", "supported"),
        ("o", "event"),
        ("x", "session-expires"),
    ],
)
def test_canonical(written: str, expected: str) -> None:
    assert canonical(written) == expected


def test_compact_forms_unknown_to_the_parser_stay() -> None:
    assert canonical("s") == "s"


def test_reasons() -> None:
    assert REASONS[555] == "Push Notification Service Not Supported"
    assert reason_phrase(486) == "Busy Here"
    assert reason_phrase(499) == "Client Error"
    assert reason_phrase(742) == "Unknown"
