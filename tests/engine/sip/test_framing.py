"""Cutting a stream into messages."""

import pytest

from engine.sip.framing import KEEPALIVE, FramingError, StreamFramer


def one(body: bytes, name: bytes = b"Content-Length", length: bytes | None = None) -> bytes:
    size = str(len(body)).encode() if length is None else length
    return b"MESSAGE sip:x SIP/2.0\r\nTo: <sip:a>\r\n" + name + b": " + size + b"\r\n\r\n" + body


def test_several_in_one_segment_and_split_ones() -> None:
    framer = StreamFramer()
    first, second = one(b"first"), one(b"second", b"l")
    assert framer.feed(first + second) == [first, second] and not framer.is_partial
    assert framer.feed(first[:30]) == [] and framer.is_partial
    assert framer.feed(first[30:] + second[:-1]) == [first]
    assert framer.feed(second[-1:]) == [second]


def test_keepalives_and_blank_lines() -> None:
    framer = StreamFramer()
    text = one(b"")
    assert framer.feed(b"\r\n\r\n") == [KEEPALIVE]
    assert framer.feed(b"\r\n" + text) == [text]
    assert framer.feed(b"\r\n\r\n\r\n\r\n" + text + b"\r\n") == [KEEPALIVE, KEEPALIVE, text]
    assert framer.feed(b"\r\n") == [KEEPALIVE] and not framer.is_partial
    assert framer.feed(b"\r") == [] and framer.feed(text) == [text]


@pytest.mark.parametrize("length", [b"70000", b"65535", b"abc", b"-1", b"", b"99999999999999999999", b"+5"])
def test_bad_length(length: bytes) -> None:
    with pytest.raises(FramingError):
        StreamFramer().feed(one(b"", length=length))


def test_missing_length() -> None:
    with pytest.raises(FramingError):
        StreamFramer().feed(b"MESSAGE sip:x SIP/2.0\r\nTo: <sip:a>\r\n\r\n")


def test_trailing_blanks_behind_the_number() -> None:
    assert len(StreamFramer().feed(one(b"", length=b"0  "))) == 1


def test_messages_before_a_mistake_are_not_lost() -> None:
    found: list[bytes] = []
    with pytest.raises(FramingError):
        StreamFramer().feed_into(one(b"good") + one(b"", length=b"x"), found)
    assert found == [one(b"good")]


def test_too_many_pieces() -> None:
    framer = StreamFramer(max_chunks=3)
    text = one(b"0123456789")
    for _ in range(3):
        assert framer.feed(text[:20]) == [] and framer.feed(text[20:40]) == [] and framer.feed(text[40:]) == [text]
    framer.feed(text[:10])
    framer.feed(text[10:20])
    with pytest.raises(FramingError):
        framer.feed(text[20:30])


def test_head_too_large() -> None:
    framer = StreamFramer(max_size=100)
    with pytest.raises(FramingError):
        framer.feed(b"x" * 101)
