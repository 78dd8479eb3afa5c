"""{ip.*}: addresses as text and as 4 or 16 bytes. Brackets around IPv6 are accepted."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Any, Final

from engine.script.transformations.base import Entry, Step
from engine.script.values import Value, text_of

if TYPE_CHECKING:
    from engine.script.context import Context
    from engine.script.varspec import Transformation

_PRIVATE: Final = tuple(ipaddress.IPv4Network(net) for net in (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8",
))


def packed(text: str) -> bytes | None:
    """The 4 or 16 bytes of an address, None when the text is none."""
    try:
        if ":" in text:
            return socket.inet_pton(socket.AF_INET6, text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text)
        return socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return None


def printed(address: bytes) -> str:
    """As the reference prints it: IPv6 in full, upper case, without leading zeros."""
    if len(address) == 4:
        return socket.inet_ntop(socket.AF_INET, address)
    return ":".join(f"{address[at] << 8 | address[at + 1]:X}" for at in range(0, 16, 2))


def _text(text: str) -> str:
    if not text:
        raise ValueError("an empty address")
    return text


def isip(text: str) -> int:
    return 0 if packed(_text(text)) is None else 1


def isip4(text: str) -> int:
    address = packed(_text(text))
    return 1 if address is not None and len(address) == 4 else 0


def isip6(text: str) -> int:
    address = packed(_text(text))
    return 1 if address is not None and len(address) == 16 else 0


def isprivate(text: str) -> int:
    """RFC 1918, RFC 6598 and 127/8; never an IPv6 address."""
    address = packed(_text(text))
    if address is None or len(address) != 4:
        return 0
    found = ipaddress.IPv4Address(address)
    return 1 if any(found in net for net in _PRIVATE) else 0


def pton(text: str) -> str:
    address = packed(text)
    if address is None:
        raise ValueError(f"{text!r} is no address")
    return address.decode("latin-1")


def _binary(text: str) -> bytes:
    address = text.encode("latin-1")
    if len(address) not in (4, 16):
        raise ValueError("an address is 4 or 16 bytes")
    return address


def ntop(text: str) -> str:
    return printed(_binary(text))


def family(text: str) -> str:
    return "INET" if len(_binary(text)) == 4 else "INET6"


def matches(text: str, net: str) -> int:
    """Whether the address lies in NET/LEN; another family or a bad mask is an error."""
    address = packed(text)
    if address is None:
        raise ValueError(f"{text!r} is no address")
    base_text, slash, length_text = net.partition("/")
    base = packed(base_text)
    if base is None or not slash or not (length_text.isascii() and length_text.isdigit()):
        raise ValueError(f"{net!r} is no net in the form ADDRESS/LENGTH")
    bits = len(base) * 8
    length = int(length_text)
    if length > bits or len(base) != len(address):
        raise ValueError(f"{net!r} does not fit {text}")
    shift = bits - length
    return 1 if int.from_bytes(address, "big") >> shift == int.from_bytes(base, "big") >> shift else 0


async def _lookup(host: str) -> bytes | None:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    for kind in (socket.AF_INET, socket.AF_INET6):
        for item in found:
            if item[0] == kind:
                return socket.inet_pton(kind, str(item[4][0]))
    return None


def _bind_resolve(binder: Any, args: tuple[Any, ...], item: Transformation) -> Step:
    def step(ctx: Context, value: Value) -> Value:
        host = text_of(value)
        if not host:
            return None
        address = packed(host)
        if address is None:
            address = ctx.wait(_lookup(host))
        return None if address is None else printed(address)

    return step


TABLE: Final[dict[str, Entry]] = {
    "isip": Entry(isip), "isip4": Entry(isip4), "isip6": Entry(isip6), "isprivate": Entry(isprivate), "pton": Entry(pton),
    "ntop": Entry(ntop), "family": Entry(family), "matches": Entry(matches, ("text",)),
    "resolve": Entry(None, context=_bind_resolve),
}
