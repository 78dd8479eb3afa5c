"""$sdp: reading and writing lines."""

from __future__ import annotations

import pytest

from engine.errors import ConfigError, ScriptError
from tests.engine.script.kit import Kit
from tests.helpers import make_request

SDP = (
    "v=0\r\no=alice 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=tool:x\r\nm=audio 49170 RTP/AVP 0 8\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\nm=video 51372 RTP/AVP 31\r\nc=IN IP4 10.0.0.2\r\na=rtpmap:31 H261/90000\r\n"
)


@pytest.fixture
def kit() -> Kit:
    return Kit(make_request("INVITE", headers="Content-Type: application/sdp\r\n", body=SDP))


@pytest.mark.parametrize(("name", "value"), [
    ("line(m=)", "m=audio 49170 RTP/AVP 0 8"), ("line(m=[1])", "m=video 51372 RTP/AVP 31"), ("line(m=[2])", None),
    ("line([5])", "a=tool:x"),
    ("line(m=audio/[1])", "49170"), ("line(m=audio/[9])", None), ("line(m=audio/RTP)", "RTP/AVP"), ("session(a=)", "a=tool:x"),
    ("session(m=)", None), ("stream(audio/a=[1])", "a=sendrecv"), ("stream([1]/a=)", "a=rtpmap:31 H261/90000"),
    ("stream(/a=)", "a=rtpmap:0 PCMU/8000"), ("stream(text/a=)", None), ("stream(audio/a=rtpmap/[1])", "PCMU/8000"),
    ("stream(video)", "m=video 51372 RTP/AVP 31"), ("stream.idx(video)", 9), ("stream.idx(video/c=)", 10),
    ("stream.idx(text)", None),
    ("line(m=audio 49170 RTP\\/AVP)", "m=audio 49170 RTP/AVP 0 8"),
])
def test_reading(kit: Kit, name: str, value: object) -> None:
    assert kit.get(f"$sdp.{name}") == value


def test_without_sdp() -> None:
    kit = Kit()
    assert kit.get("$sdp") is None and kit.get("$sdp.line(m=)") is None and kit.get("$sdp.stream.idx(audio)") is None
    with pytest.raises(ScriptError):
        kit.set("$sdp.line(s=)", "s=x")
    kit.set("$sdp", SDP)
    assert kit.ctx.edits is not None and kit.ctx.edits.body == SDP


def test_writing_is_read_back(kit: Kit) -> None:
    kit.set("$sdp.stream(audio/a=sendrecv)", "a=sendonly")
    kit.set("$sdp.session(s=)", "s=changed\r\n")
    kit.set("$sdp.session(a=tool)", None)
    assert kit.text("$sdp.stream(audio/a=[1]) $sdp.line(s=) $sdp.session(a=)") == "a=sendonly s=changed <null>"
    kit.set("$(sdp.stream(video)[insertAfter])", "i=camera")
    kit.set("$(sdp.stream(video)[insert])", "a=inactive")
    kit.set("$sdp.line(m=audio/[1])", "5000")
    assert kit.ctx.edits is not None and kit.ctx.edits.body == (
        "v=0\r\no=alice 1 1 IN IP4 10.0.0.1\r\ns=changed\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0 8\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=sendonly\r\na=inactive\r\nm=video 51372 RTP/AVP 31\r\ni=camera\r\nc=IN IP4 10.0.0.2\r\n"
        "a=rtpmap:31 H261/90000\r\n"
    )
    assert kit.get("$rb") == SDP
    kit.set("$sdp", None)
    assert kit.get("$sdp") is None


def test_refused(kit: Kit) -> None:
    for name in ("line(z=)", "stream(text)"):
        with pytest.raises(ScriptError):
            kit.set(f"$sdp.{name}", "z=1")
    with pytest.raises(ScriptError):
        kit.set("$(sdp.line(m=)[0])", "m=x")
    for text in ("$sdp.line(m=[x])", "$sdp.line(a/b/c)", "$sdp.stream(a/b/c/d)"):
        with pytest.raises(ConfigError):
            kit.var(text)


def test_inside_of_a_multipart() -> None:
    body = f"--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b--\r\n"
    kit = Kit(make_request("INVITE", headers="Content-Type: multipart/mixed;boundary=b\r\n", body=body))
    kit.set("$sdp.line(s=)", "s=x")
    assert kit.ctx.edits is not None and kit.ctx.edits.body == body.replace("s=-", "s=x")
