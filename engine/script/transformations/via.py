"""{via.*}: the parts of a Via value. What is missing or has no value is NULL, so is everything of a broken Via."""

from __future__ import annotations

from typing import Final

from engine.errors import SipParseError
from engine.script.transformations.base import Entry
from engine.sip.grammar import BLANKS
from engine.sip.headers import Via, parse_via


def _parsed(text: str) -> Via:
    try:
        return parse_via(text)
    except SipParseError as error:
        raise ValueError(f"{text!r}: {error.message}") from None


def name(text: str) -> str | None:
    """The protocol as written."""
    _parsed(text)
    return text.partition("/")[0].strip(BLANKS) or None


def version(text: str) -> str | None:
    """The only one there is: a Via of another version is no Via."""
    _parsed(text)
    return text.split("/", 2)[1].strip(BLANKS) or None


def transport(text: str) -> str | None:
    return _parsed(text).transport or None


def host(text: str) -> str | None:
    return _parsed(text).host or None


def port(text: str) -> int | None:
    return _parsed(text).port


def params(text: str) -> str | None:
    """All parameters. The reference leaves out the closing quote when the last value is quoted; scripts see that."""
    found = _parsed(text).params.rstrip()
    return (found[:-1] if found.endswith('"') else found) or None


def comment(text: str) -> str | None:
    """Without its parentheses."""
    return _parsed(text).comment[1:-1] or None


def param(text: str, wanted: str) -> str | None:
    return _parsed(text).param(wanted.lower()) or None


def branch(text: str) -> str | None:
    return _parsed(text).branch or None


def received(text: str) -> str | None:
    return _parsed(text).received or None


def rport(text: str) -> str | None:
    return _parsed(text).rport or None


TABLE: Final[dict[str, Entry]] = {
    "name": Entry(name), "version": Entry(version), "transport": Entry(transport), "host": Entry(host), "domain": Entry(host),
    "port": Entry(port), "params": Entry(params), "comment": Entry(comment), "param": Entry(param, ("text",)),
    "branch": Entry(branch), "received": Entry(received), "rport": Entry(rport),
}
