"""SDP lines and media sections."""

from engine.sip import sdp

BODY = (
    "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n"
    "m=video 4002 RTP/AVP 96\r\nc=IN IP4 192.0.2.2\r\nm=audio 4004 RTP/AVP 8"
)


def test_lines() -> None:
    assert (
        sdp.line(BODY, "v") == "v=0"
        and sdp.line(BODY, "c", 1) == "c=IN IP4 192.0.2.2"
        and sdp.line(BODY, "c", -2) == "c=IN IP4 192.0.2.1"
    )
    assert sdp.line(BODY, "c", 2) is None and sdp.line(BODY, "c", -3) is None and sdp.line("", "v") is None
    assert "".join(BODY[item.start : item.end] for item in sdp.lines(BODY)) == BODY
    item = sdp.lines("x\n\na=b")[1]
    assert (item.kind, item.value) == ("a", "b") and sdp.lines("x")[0].kind == ""


def test_streams() -> None:
    assert [item.media for item in sdp.streams(BODY)] == ["audio", "video", "audio"]
    assert sdp.session(BODY).endswith("t=0 0\r\n") and sdp.session("v=0\r\n") == "v=0\r\n"
    assert sdp.stream(BODY, "VIDEO") == "m=video 4002 RTP/AVP 96\r\nc=IN IP4 192.0.2.2\r\n"
    assert sdp.stream(BODY, -1) == "m=audio 4004 RTP/AVP 8" and sdp.stream(BODY, 3) is None and sdp.stream(BODY, "text") is None
    assert sdp.session(BODY) + "".join(BODY[item.start : item.end] for item in sdp.streams(BODY)) == BODY


def test_without_streams() -> None:
    assert sdp.without_streams(BODY, "audio") == sdp.session(BODY) + "m=video 4002 RTP/AVP 96\r\nc=IN IP4 192.0.2.2\r\n"
    left = sdp.without_streams(BODY, 1)
    assert left is not None and "video" not in left and sdp.without_streams(BODY, "text") is None
