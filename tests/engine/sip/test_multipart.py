"""Parts of a body."""

from engine.sip import multipart

TYPE = 'multipart/mixed; Boundary="b1"'
BODY = (
    "preamble\r\n--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b1  \r\n"
    "c : Text/Plain;x=y\r\nX: 1\r\n\r\ntwo --b1 \r\n--b1x\r\n"
    "--b1\r\n\r\nbare\r\n--b1--\r\nepilogue"
)


def test_parts() -> None:
    found = multipart.parts(BODY, TYPE)
    assert [part.content_type for part in found] == ["application/sdp", "Text/Plain;x=y", None]
    assert [part.mime_type for part in found] == ["application/sdp", "text/plain", ""]
    assert [part.body for part in found] == ["v=0\r\n", "two --b1 \r\n--b1x", "bare"]
    assert all(BODY[part.start : part.end] == part.body for part in found)


def test_no_multipart() -> None:
    (only,) = multipart.parts("v=0\r\n", "application/sdp")
    assert (only.body, only.mime_type) == ("v=0\r\n", "application/sdp")
    assert multipart.parts("", TYPE) == [] and multipart.parts("x", None)[0].content_type is None
    assert multipart.boundary("multipart/mixed") is None and multipart.boundary("text/plain;boundary=x") is None


def test_unclosed() -> None:
    assert [part.body for part in multipart.parts("--b1\r\nX: 1\r\n\r\nrest", TYPE)] == ["rest"]
    assert multipart.parts("nothing", TYPE) == []


def test_build_is_read_back() -> None:
    sections = [("Content-Type: text/plain\r\n", "one two one\r\n"), ("Content-Type: application/xml\r\n", "<x/>"), ("", "bare")]
    found = multipart.parts(multipart.build(sections, "mark"), "multipart/mixed;boundary=mark")
    assert [(part.headers, part.body) for part in found] == sections
