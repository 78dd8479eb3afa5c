"""Questions about addresses in messages: private ones (RFC 1918, 6598, 1122, on demand 6333), and whether two are the same."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from engine.transport.address import bracketed, is_ipv4, plain_ip

_PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")))
_CARRIER: Final = IPv4Network("192.0.0.0/29")
"""RFC 6333, the addresses of DS-Lite."""


@lru_cache(maxsize=4096)
def is_private(host: str, with_carrier: bool = False) -> bool:
    """An IPv4 address that is not routed in public. with_carrier: those of DS-Lite count, too. Names and IPv6 never are."""
    if not is_ipv4(host):
        return False
    address = IPv4Address(host)
    return any(address in net for net in _PRIVATE) or (with_carrier and address in _CARRIER)


def is_address(host: str, ip: str) -> bool:
    """Whether a host as written in a message is that address. Names never are: nobody asks the DNS for this."""
    return host == ip or plain_ip(host) == ip


def source_uri(ip: str, port: int, proto: str) -> str:
    """Where a message came from, as URI: "sip:ip:port", with ;transport= for anything but UDP."""
    transport = "" if proto == "udp" else f";transport={proto}"
    return f"sip:{bracketed(ip)}:{port}{transport}"
