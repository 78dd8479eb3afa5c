"""Recorded changes: order at one place, removal, replacement, values of comma lists."""

from engine.sip.edits import Edits
from engine.sip.message import Request, parse_message

TEXT = (
    "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=1\r\nRoute: <sip:r1;lr>, <sip:r2;lr> ,<sip:r3>\r\nTo: <sip:b@h>\r\n"
    "Route: <sip:r4>\r\nCSeq: 1 INVITE\r\nSubject: one\r\n\r\nbody"
)


def message() -> Request:
    msg = parse_message(TEXT.encode())
    assert isinstance(msg, Request)
    return msg


def test_same_place_keeps_call_order() -> None:
    edits = Edits()
    edits.insert(3, "a")
    edits.insert(1, "x")
    edits.insert(3, "b")
    assert edits.apply("012345") == "0x12ab345"


def test_remove_and_replace() -> None:
    edits = Edits()
    edits.remove(1, 3)
    edits.insert(2, "kept")
    edits.replace(4, 5, "four")
    edits.remove(2, 4)
    assert edits.apply("012345") == "0keptfour5"


def test_copy_is_independent() -> None:
    edits = Edits()
    assert not edits
    edits.insert(0, "a")
    other = edits.copy()
    other.insert(0, "b")
    other.replace_body("x")
    assert edits and edits.apply("-") == "a-" and other.apply("-") == "ab-" and edits.body is None
    assert other.touches_body(99) and not edits.touches_body(1)


def test_headers() -> None:
    msg = message()
    edits = Edits()
    assert edits.append_header(msg, "X-End: 1\r\n") and edits.append_header(msg, "X-End: 2\r\n")
    assert edits.append_header(msg, "X-A: 1\r\n", "cseq") and edits.append_header(msg, "X-A: 2\r\n", "to")
    assert edits.insert_header(msg, "X-F: 1\r\n") and edits.insert_header(msg, "X-B: 1\r\n", "to")
    assert not edits.append_header(msg, "n", "none") and not edits.insert_header(msg, "n", "none")
    edits.remove_header(msg, msg.names.index("subject"))
    lines = edits.apply(TEXT).split("\r\n")
    assert lines[1] == "X-F: 1" and "Subject: one" not in lines
    assert lines[3:6] == ["Route: <sip:r1;lr>, <sip:r2;lr> ,<sip:r3>", "X-B: 1", "To: <sip:b@h>"]
    assert lines[6:12] == ["X-A: 2", "Route: <sip:r4>", "CSeq: 1 INVITE", "X-A: 1", "X-End: 1", "X-End: 2"]


def routes_after(chosen: list[int]) -> list[str]:
    msg = message()
    edits = Edits()
    edits.remove_values(msg, msg.routes, chosen)
    after = parse_message(edits.apply(TEXT))
    return [route.uri for route in after.routes]


def test_remove_values() -> None:
    names = ["sip:r1;lr", "sip:r2;lr", "sip:r3", "sip:r4"]
    for mask in range(16):
        chosen = [i for i in range(4) if mask >> i & 1]
        assert routes_after(chosen) == [name for i, name in enumerate(names) if i not in chosen]


def test_late_texts_are_made_when_the_message_leaves() -> None:
    edits = Edits()
    edits.insert_late(2, lambda ctx, socket: f"<{ctx} {socket}>")
    edits.insert(2, "now")
    copy = edits.copy()
    assert edits and copy
    assert edits.leaving("c", "a").apply("xxyy") == "xxnow<c a>yy"
    assert copy.leaving("c", "b").apply("xxyy") == "xxnow<c b>yy"
    assert edits.apply("xxyy") == "xxnowyy"
    plain = Edits()
    assert plain.leaving(None, None) is plain


def test_a_replacement_inside_what_is_left_out_vanishes() -> None:
    edits = Edits()
    edits.remove(2, 8)
    edits.replace(4, 6, "new")
    edits.replace(5, 9, "over the end")
    edits.insert(8, "+")
    assert edits.apply("0123456789") == "01+89"
