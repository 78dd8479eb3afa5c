"""engine.transport.websocket: two sessions talk in memory; what a peer does wrong ends in the right close code."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.transport.websocket import WebSocketSession, WebSocketSettings
from tests.helpers import make_request

HANDSHAKE = (
    "GET /sip HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nOrigin: https://example.com\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, sip\r\n\r\n")


def server(**options: object) -> WebSocketSession:
    return WebSocketSession(WebSocketSettings(**options))  # type: ignore[arg-type]


def opened(**options: object) -> WebSocketSession:
    session = server(**options)
    assert session.feed(HANDSHAKE.encode()) == []
    assert session.output().startswith(b"HTTP/1.1 101 ")
    assert session.ready
    return session


def frame(data: bytes, opcode: int = 1, *, fin: bool = True, mask: bool = True, length: int | None = None) -> bytes:
    """A client's frame; length: what it claims."""
    size = len(data) if length is None else length
    head = bytes([(0x80 if fin else 0) | opcode])
    flag = 0x80 if mask else 0
    if size < 126:
        head += bytes([flag | size])
    elif size < 65536:
        head += bytes([flag | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([flag | 127]) + size.to_bytes(8, "big")
    if not mask:
        return head + data
    key = b"\x01\x02\x03\x04"
    return head + key + bytes(byte ^ key[position % 4] for position, byte in enumerate(data))


def close_code(data: bytes) -> int:
    """The code of a server's close frame."""
    assert data[0] == 0x88
    return int.from_bytes(data[2:4], "big")


def test_client_and_server_understand_each_other() -> None:
    calling, called = WebSocketSession(WebSocketSettings(resource="/ws"), host="192.0.2.1", port=8080), server()
    calling.start()
    request = calling.output()
    assert request.startswith(b"GET /ws HTTP/1.1\r\nHost: 192.0.2.1:8080\r\nOrigin: http://192.0.2.1:8080\r\n")
    called.feed(request)
    calling.feed(called.output())
    assert calling.ready
    assert called.ready
    message = make_request(body="x" * 500).encode()
    assert called.feed(calling.pack(message)) == [message]
    assert calling.feed(called.pack(message)) == [message]
    calling.feed(called.farewell())
    assert calling.ended


def test_ipv6_host() -> None:
    session = WebSocketSession(WebSocketSettings(), host="[::1]", port=8443, secure=True)
    session.start()
    assert b"Host: [::1]:8443\r\nOrigin: https://[::1]:8443\r\n" in session.output()


@pytest.mark.parametrize("wrong, right", [
    ("Host: example.com\r\n", ""), ("Origin: https://example.com\r\n", ""), (": chat, sip", ": chat"), ("Version: 13", "Version: 8"),
    ("Upgrade: websocket\r\n", ""), ("keep-alive, Upgrade", "keep-alive"), ("dGhlIHNhbXBsZSBub25jZQ==", "short"), ("GET ", "POST "),
    ("Sec-WebSocket-Protocol: chat, sip\r\n", ""), ("Host: example.com\r\n", "Host: a\r\nHost: b\r\n"),
])
def test_bad_handshakes(wrong: str, right: str) -> None:
    assert wrong in HANDSHAKE
    session = server()
    assert session.feed(HANDSHAKE.replace(wrong, right).encode() + frame(b"OPTIONS")) == []
    answer = session.output()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Sec-WebSocket-Version: 13" in answer
    assert session.ended.startswith("handshake refused")
    assert not session.ready


def test_garbage_and_endless_headers_end_the_handshake() -> None:
    session = server()
    session.feed(b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/WS x\r\n\r\n")
    assert session.ended
    session = server(max_chunks=0)
    for _ in range(200):
        session.feed(b"X-Header: x\r\n" if session.chunks else b"GET / HTTP/1.1\r\n")
    assert session.ended


def test_origin_need_not_be_asked_for_and_sip_in_any_case() -> None:
    session = server(require_origin=False)
    session.feed(HANDSHAKE.replace("Origin: https://example.com\r\n", "").replace("chat, sip", "SIP").encode())
    assert session.ready
    assert b"Sec-WebSocket-Protocol: SIP\r\n" in session.output()


def test_frames_text_binary_fragments_pings() -> None:
    session = opened(max_chunks=0)
    assert session.feed(frame(b"one") + frame(b"two", 2)) == [b"one", b"two"]
    assert session.feed(frame(b"th", fin=False)) == []
    assert session.is_partial
    assert session.feed(frame(b"ping", 9) + frame(b"re", 0, fin=False)) == []
    assert session.output() == b"\x8a\x04ping"
    assert session.feed(frame(b"e", 0)) == [b"three"]
    assert not session.is_partial
    assert session.feed(frame(b"pong", 10)) == []
    whole = b"".join(frame(part, opcode) for part, opcode in ((b"x" * 70000, 2),))
    assert session.feed(whole) == []
    assert session.ended


def test_text_is_sent_as_text_and_the_rest_as_binary() -> None:
    session = opened()
    assert session.pack(b"plain")[0] == 0x81
    assert session.pack("gr\u00fc\u00df".encode())[0] == 0x81
    assert session.pack(b"\xff\xfe")[0] == 0x82


@pytest.mark.parametrize("data, code", [
    (frame(b"x", mask=False), 1002), (frame(b"x", 3), 1002), (frame(b"", length=70000), 1009), (frame(b"x", 0), 1002),
    (frame(b"x" * 126, 9), 1002), (frame(b"x" * 40000, fin=False) + frame(b"x" * 40000, 0), 1009), (frame(b"", length=1 << 62), 1009),
    (b"\xf1" + frame(b"x")[1:], 1002),
])
def test_bad_frames_are_answered_with_a_close_code(data: bytes, code: int) -> None:
    session = opened(max_chunks=0)
    assert session.feed(data) == []
    assert close_code(session.output()) == code
    assert session.ended
    assert session.feed(frame(b"more")) == []


@pytest.mark.parametrize("payload, answer", [(b"\x03\xe8bye", b"\x88\x05\x03\xe8bye"), (b"", b"\x88\x00"), (b"\x03\xe9", b"\x88\x02\x03\xe9")])
def test_a_close_is_answered(payload: bytes, answer: bytes) -> None:
    session = opened()
    assert session.feed(frame(b"last") + frame(payload, 8) + frame(b"late")) == [b"last"]
    assert session.output() == answer
    assert session.ended.startswith("closed by the peer")


def test_too_many_pieces() -> None:
    session = opened(max_chunks=4)
    whole = frame(b"x" * 100)
    for position in range(3):
        assert session.feed(whole[position:position + 1]) == []
    assert not session.ended
    session.feed(whole[3:4])
    assert close_code(session.output()) == 1008
    session = opened(max_chunks=4)
    for _ in range(10):
        assert session.feed(whole[:10]) + session.feed(whole[10:]) == [b"x" * 100]


def test_a_server_without_sip_is_left() -> None:
    calling = WebSocketSession(WebSocketSettings(), host="192.0.2.1", port=80)
    calling.start()
    called = server()
    called.feed(calling.output())
    calling.feed(called.output().replace(b"Sec-WebSocket-Protocol: sip\r\n", b""))
    assert not calling.ready
    assert calling.ended


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes(data: bytes, is_open: bool) -> None:
    session = opened(max_chunks=0) if is_open else server()
    for position in range(0, len(data), 7):
        session.feed(data[position:position + 7])
    session.output()
    session.farewell()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4), st.integers(1, 50))
def test_a_stream_in_pieces_is_the_same_as_whole(messages: list[bytes], size: int) -> None:
    stream = b"".join(frame(message, 2) for message in messages)
    session = opened(max_chunks=0)
    found = [message for position in range(0, len(stream), size) for message in session.feed(stream[position:position + size])]
    assert found == messages
