"""{uri.*}: the parts of a SIP or tel URI. A part that is missing or empty is NULL, so is everything of a broken URI."""

from __future__ import annotations

from typing import Final

from engine.errors import SipParseError
from engine.script.transformations.base import Entry
from engine.script.transformations.param import params_of
from engine.sip.uri import SipUri, parse_uri


def _parsed(text: str) -> SipUri:
    try:
        return parse_uri(text)
    except SipParseError as error:
        raise ValueError(f"{text!r}: {error.message}") from None


def user(text: str) -> str | None:
    return _parsed(text).user or None


def host(text: str) -> str | None:
    return _parsed(text).host or None


def passwd(text: str) -> str | None:
    return _parsed(text).password or None


def port(text: str) -> int | None:
    return _parsed(text).port


def params(text: str) -> str | None:
    return _parsed(text).params or None


def headers(text: str) -> str | None:
    return _parsed(text).headers or None


def schema(text: str) -> str:
    """As written."""
    return text[:len(_parsed(text).scheme)]


def _known(text: str, name: str) -> str | None:
    uri = _parsed(text)
    return None if uri.scheme[:3] == "tel" else uri.param(name) or None


def transport(text: str) -> str | None:
    return _known(text, "transport")


def ttl(text: str) -> str | None:
    return _known(text, "ttl")


def uparam(text: str) -> str | None:
    return _known(text, "user")


def maddr(text: str) -> str | None:
    return _known(text, "maddr")


def method(text: str) -> str | None:
    return _known(text, "method")


def lr(text: str) -> str | None:
    """The value of lr, so NULL for the usual ";lr"."""
    return _known(text, "lr")


def r2(text: str) -> str | None:
    return _known(text, "r2")


def param(text: str, name: str) -> str | None:
    """A parameter by name, case ignored; "" when it has no value; a list that is broken anywhere has none."""
    whole = _parsed(text).params
    if not whole:
        return None
    wanted = name.lower()
    for key, value in params_of(whole):
        if key.lower() == wanted:
            return value or ""
    return None


TABLE: Final[dict[str, Entry]] = {
    "user": Entry(user), "host": Entry(host), "domain": Entry(host), "passwd": Entry(passwd), "port": Entry(port),
    "params": Entry(params), "param": Entry(param, ("text",)), "headers": Entry(headers), "transport": Entry(transport),
    "ttl": Entry(ttl), "uparam": Entry(uparam), "maddr": Entry(maddr), "method": Entry(method), "lr": Entry(lr),
    "r2": Entry(r2), "schema": Entry(schema),
}
