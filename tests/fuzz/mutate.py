"""What happens to a message on a bad network, or in the hands of somebody who looks for a hole."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_NUMBER = re.compile(rb"\d+")
_TOKENS = (
    b'"', b"\\", b"<", b">", b",", b";", b"=", b":", b"@", b"%", b"%00", b"%zz", b"?", b"&", b"[", b"]", b"[::1]", b"*",
    b"\r\n", b"\n", b"\r", b"\r\n ", b"\r\n\r\n", b"\t", b" ", b"\x00", b"\x7f", b"\xff\xfe", b"\xc3\xa4", b"\xb2", b"sip:",
    b"sips:", b"tel:", b"urn:uuid:", b";tag=", b";lr", b";r2=on", b";branch=", b";rport", b";rport=99999", b";received=",
    b";maddr=1.2.3.4", b";transport=tcp", b";transport=x", b";expires=", b";q=", b";q=2", b"$ru", b"{{", b"SIP/2.0 ",
    b";pn-provider=webpush;pn-prid=x;pn-param=y", b'Digest username="a", realm="', b"nonce=", b"response=", b"qop=auth",
)
_LINES = (
    b"Contact: *", b"Contact:", b"Contact: <sip:a@b>;q=9;expires=x", b"Expires: -1", b"Expires: 0", b"CSeq: 1",
    b"CSeq: x INVITE", b"Content-Length: 5", b"Content-Length: 99999999999", b"l: x", b"Route: <sip:127.0.0.1:5060;lr>",
    b"Route: <", b"Record-Route: <sip:x;lr>,", b"Path: <sip:p;lr>", b"Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK0.0.0",
    b"v: SIP/2.0/TCP [::1]", b"To: <sip:bob@example.com>;tag=1", b"From: x", b"Call-ID:", b"Max-Forwards: 0",
    b"Max-Forwards: x", b"Require: a, b", b"Supported: path, gruu, outbound", b"no colon here", b": empty name", b" folded",
    b"Timestamp: 1.2",
    b'Authorization: Digest username="bob", realm="example.com", nonce="x", uri="sip:x", response="0", algorithm=MD5, '
    b'qop=auth, nc=1, cnonce="y"',
    b'Proxy-Authorization: Digest username="bob', b"Authorization: Basic x", b"Content-Type: multipart/mixed;boundary=b",
    b"Content-Type: application/sdp", b"Refer-To: <sip:x>", b"P-Asserted-Identity: <sip:x@y>", b"Session-Expires: 90",
    b"Diversion: <sip:x>", b"Event: presence", b"Reason: SIP;cause=200",
)

Mutation = Callable[[random.Random, bytes], bytes]


def _huge(rnd: random.Random) -> bytes:
    return rnd.choice((
        b"0", b"-1", b"00000000", b"65535", b"65536", b"2147483648", b"4294967296", b"18446744073709551616", b"9" * 40,
        b"9" * 5000, b"1e9", b"0x10",
    ))


def flip(rnd: random.Random, data: bytes) -> bytes:
    """One byte is another."""
    at = rnd.randrange(len(data))
    return data[:at] + bytes((rnd.randrange(256),)) + data[at + 1:]


def cut(rnd: random.Random, data: bytes) -> bytes:
    """A stretch is missing."""
    at = rnd.randrange(len(data))
    return data[:at] + data[at + rnd.choice((1, 1, 2, 5, 40, 400)):]


def truncate(rnd: random.Random, data: bytes) -> bytes:
    """The end is missing."""
    return data[:rnd.randrange(len(data))]


def double(rnd: random.Random, data: bytes) -> bytes:
    """A stretch stands twice, or very often."""
    at = rnd.randrange(len(data))
    piece = data[at:at + rnd.choice((1, 2, 8, 60))]
    return data[:at] + piece * rnd.choice((2, 2, 3, 50, 300)) + data[at:]


def insert(rnd: random.Random, data: bytes) -> bytes:
    """Something that means something in SIP stands where it should not."""
    at = rnd.randrange(len(data))
    return data[:at] + rnd.choice(_TOKENS) + data[at:]


def number(rnd: random.Random, data: bytes) -> bytes:
    """A number is another one, or no number."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    match = rnd.choice(found)
    return data[:match.start()] + _huge(rnd) + data[match.end():]


def _headed(change: Callable[[random.Random, list[bytes]], None]) -> Mutation:
    def work(rnd: random.Random, data: bytes) -> bytes:
        head, mark, body = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        if lines:
            change(rnd, lines)
        return b"\r\n".join([first, *lines]) + mark + body

    return work


def _add(rnd: random.Random, lines: list[bytes]) -> None:
    lines.insert(rnd.randrange(len(lines) + 1), rnd.choice(_LINES))


def _remove(rnd: random.Random, lines: list[bytes]) -> None:
    del lines[rnd.randrange(len(lines))]


def _repeat(rnd: random.Random, lines: list[bytes]) -> None:
    at = rnd.randrange(len(lines))
    lines[at:at] = [lines[at]] * rnd.choice((1, 1, 2, 70))


def _shuffle(rnd: random.Random, lines: list[bytes]) -> None:
    rnd.shuffle(lines)


def _fold(rnd: random.Random, lines: list[bytes]) -> None:
    at = rnd.randrange(len(lines))
    lines[at] = lines[at].replace(b" ", b"\r\n ")


_COUNTED = (
    b"cseq", b"expires", b"max-forwards", b"content-length", b"l", b"contact", b"m", b"via", b"v", b"min-expires", b"session-expires", b"x",
)


def _recount(rnd: random.Random, lines: list[bytes]) -> None:
    found = [at for at, line in enumerate(lines) if line.partition(b":")[0].strip().lower() in _COUNTED]
    if found:
        at = rnd.choice(found)
        lines[at] = number(rnd, lines[at])


def _swap(rnd: random.Random, lines: list[bytes]) -> None:
    one, other = rnd.randrange(len(lines)), rnd.randrange(len(lines))
    name, colon, _ = lines[one].partition(b":")
    lines[one] = name + colon + lines[other].partition(b":")[2]


SINGLE: tuple[Mutation, ...] = (
    flip, flip, cut, truncate, double, insert, insert, insert, number, number,
    *map(_headed, (_add, _add, _remove, _repeat, _shuffle, _fold, _swap, _recount, _recount)),
)


def mutate(rnd: random.Random, seeds: list[bytes]) -> bytes:
    """A seed, changed a few times; now and then one message begins and another ends."""
    data = rnd.choice(seeds)
    if rnd.random() < 0.05:
        other = rnd.choice(seeds)
        data = data[:rnd.randrange(len(data))] + other[rnd.randrange(len(other)):]
    for _ in range(rnd.choice((0, 1, 1, 1, 2, 2, 3, 6))):
        if not data:
            break
        data = rnd.choice(SINGLE)(rnd, data)
    return data[:65000]
