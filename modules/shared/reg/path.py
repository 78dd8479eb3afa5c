"""Path, RFC 3327: the proxies between a device and its registrar, to be traversed by every request towards it."""

from __future__ import annotations

from engine.errors import SipParseError
from engine.sip.headers import parse_nameaddr_list
from engine.sip.uri import unescape
from modules.shared.reg.refusals import BAD_PATH, Refused

MAX_LENGTH = 255


def read_path(msg: object, with_received: bool) -> tuple[str, str]:
    """The Path of a REGISTER as one comma list, and the `received` parameter of the hop next to the device.

    with_received: look for the latter (flag path-received); "" otherwise. When the first hop entered itself twice (parameter
    r2) the second entry is read. Raises Refused: too long, no URI, first hop no loose router.
    """
    values: list[str] = msg.header_values("path")  # type: ignore[attr-defined]
    if not any(values):
        return "", ""
    path = ",".join(values)
    if len(path) > MAX_LENGTH:
        raise Refused(BAD_PATH)
    try:
        hops = parse_nameaddr_list(path)
        first = hops[0].parsed_uri
        if not first.is_loose:
            raise Refused(BAD_PATH)
        if not with_received:
            return path, ""
        if len(hops) > 1 and first.param("r2") is not None:
            first = hops[1].parsed_uri
    except SipParseError:
        raise Refused(BAD_PATH) from None
    return path, unescape(first.param("received") or "")


def first_hop(path: str) -> str | None:
    """URI of the first hop of a stored Path, where requests for the contact go; None when it cannot be read."""
    end = path.find(">")
    if path[:1] == "<" and end > 0:
        return path[1:end]
    try:
        return parse_nameaddr_list(path)[0].uri
    except SipParseError:
        return None


def supports(msg: object, tag: str) -> bool:
    """Whether a Supported header of the message lists the option tag."""
    if "supported" not in msg.names:  # type: ignore[attr-defined]
        return False
    return any(
        tag == item.strip().lower()
        for value in msg.header_values("supported") for item in value.split(",")  # type: ignore[attr-defined]
    )
