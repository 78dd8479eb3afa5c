"""From and To under other names: the text of a changed address, and what a Record-Route parameter keeps of the old one.

The parameter holds both URIs, exclusive-or'ed byte by byte, so that each end's own URI turns it into the other one: a request
of the caller still carries the original URI and gets the new one, a request of the callee the other way round. It may be mixed
with a password, and is base64 with "-" for "=". The format is OpenSIPS', so dialogs outlive a change of server.
"""

from __future__ import annotations

import binascii
import re
from itertools import cycle
from typing import Final

from engine.errors import SipParseError
from engine.sip.edits import Edits
from engine.sip.headers import NameAddr, parse_nameaddr
from engine.sip.message import Message
from engine.sip.uri import parse_uri

MAX_URI: Final = 1024
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+\Z")
_LINE_END: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def display_name(text: str) -> str:
    """A display name as it stands in a header: quoted unless it is a token, quoted already, or empty."""
    if not text or _TOKEN.match(text) or (len(text) >= 2 and text[0] == text[-1] == '"'):
        return text
    return f'"{text}"'


def is_clean(text: str) -> bool:
    """Whether a text can stand in a header: nothing in it ends the line."""
    return _LINE_END.search(text) is None


# ---- addresses in a message ----


def address_span(msg: Message, address: NameAddr) -> tuple[int, int]:
    """Offsets of the address itself, its display name and angle brackets included, its parameters not."""
    base = msg.value_start(address.header)
    value = msg.raw_value(address.header)
    end = value.index(">", address.uri_end) + 1 if address.bracketed else address.uri_end
    return base + address.start, base + end


def current_text(msg: Message, edits: Edits, span: tuple[int, int]) -> tuple[str, int]:
    """The text of a span as it will leave, and the number of the change that says so, -1 when it is as received."""
    for index, (start, end, text) in enumerate(edits.changes):
        if (start, end) == span and end > start:
            return text, index
    return msg.text[span[0]:span[1]], -1


def put_text(edits: Edits, span: tuple[int, int], text: str, index: int) -> None:
    """Let a span leave as another text, in place of the change with that number."""
    if index >= 0:
        edits.changes[index] = (span[0], span[1], text)
    else:
        edits.replace(span[0], span[1], text)


def renamed(text: str, display: str | None, uri: str | None) -> str:
    """An address (without parameters) under another name. display: None keeps it, "" removes it. uri: None or "" keeps it."""
    if display is not None:
        address = parse_nameaddr(text)
        if address.display:
            text = text[:address.start] + display + text[address.start + len(address.display):]
        elif display and address.bracketed:
            at = text.index("<")
            text = f"{text[:at]}{display} {text[at:]}"
        elif display:
            text = f"{display}<{text}>" if uri else f"{display} <{text}>"
    if uri:
        text = with_uri(text, f"<{uri}>", True)
    return text


def with_uri(text: str, uri: str, brackets: bool) -> str:
    """An address (without parameters) with another URI; brackets: angle brackets around the old one are replaced with it."""
    address = parse_nameaddr(text)
    start, end = address.uri_start, address.uri_end
    if brackets and address.bracketed:
        start, end = text.rindex("<", 0, start), text.index(">", end) + 1
    return text[:start] + uri + text[end:]


# ---- the Record-Route parameter ----


def _xor(left: bytes, right: bytes) -> bytes:
    """As long as left."""
    return bytes(a ^ b for a, b in zip(left, right)) + left[len(right):]


def _mixed(data: bytes, password: str) -> bytes:
    return bytes(a ^ b for a, b in zip(data, cycle(password.encode("latin-1")))) if password else data


def keep(old: str, new: str, password: str) -> str:
    """The parameter for a pair of URIs; new with its angle brackets. Raises ValueError when one is too long."""
    first, second = old.encode("latin-1"), new.encode("latin-1")
    if max(len(first), len(second)) > MAX_URI:
        raise ValueError(f"URI of more than {MAX_URI} characters")
    data = _xor(first, second) if len(first) > len(second) else _xor(second, first)
    return binascii.b2a_base64(_mixed(data, password), newline=False).decode("ascii").replace("=", "-")


def other_name(kept: str, present: str, password: str) -> str | None:
    """The URI that belongs to the present one by a parameter; None when they do not fit.

    Whoever sends a request can write what he likes there: only what is a URI (in angle brackets or without) is given back.
    """
    try:
        data = _mixed(binascii.a2b_base64(kept.replace("-", "="), strict_mode=True), password)
    except (binascii.Error, ValueError):
        return None
    known = present.encode("latin-1")
    if len(known) > len(data):
        return None
    found = _xor(data, known).rstrip(b"\0").decode("latin-1") if len(known) == len(data) else _xor(data, known).decode("latin-1")
    bare = found[1:-1] if found[:1] == "<" and found[-1:] == ">" else found
    if not is_clean(found) or re.search(r'[<>\s"]', bare):
        return None
    try:
        parse_uri(bare)
    except SipParseError:
        return None
    return found
