"""What broken parts of a message leave behind."""

from __future__ import annotations

from engine.script.faults import MEDIUM, PARSER, parse_fault
from tests.engine.script.kit import Kit
from tests.helpers import make_request


def test_texts_scripts_compare_with() -> None:
    fault = parse_fault("CSeq")
    assert (fault.kind, fault.level, fault.info, fault.code, fault.reason) == (
        PARSER, MEDIUM, "error parsing CSeq`", 400, "bad CSeq header",
    )
    assert parse_fault("PAI").info == "error parsing PAI header"


def test_a_broken_request_uri_is_null_and_pending() -> None:
    kit = Kit(make_request(uri="http://example.com"))
    assert kit.get("$ru") is None and kit.get("$rU") is None
    assert (kit.get("$err.class"), kit.get("$err.info"), kit.get("$err.rcode"), kit.get("$err.rreason")) == (
        1, "error parsing r-uri", 400, "bad r-uri",
    )
    assert kit.get("$ou") == "http://example.com"
