"""Addresses as text: where a message goes, and the small questions about hosts that everybody asks.

IP addresses are plain text in one form each, IPv6 without brackets, all eight groups written out in upper case (as OpenSIPS
prints them: scripts compare `$si` with that); brackets are put on where one is printed before a port or in a URI.
"""

from __future__ import annotations

import re
import socket
import struct
from functools import lru_cache
from typing import Final, NamedTuple

DEFAULT_PORTS: Final = {"udp": 5060, "tcp": 5060, "sctp": 5060, "tls": 5061, "ws": 80, "wss": 443}
_IPV4: Final = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}\Z")


class Target(NamedTuple):
    """Where to send: protocol in lower case, an IP address, a port."""

    proto: str
    ip: str
    port: int

    def __str__(self) -> str:
        return f"{self.proto}:{bracketed(self.ip)}:{self.port}"


def is_ipv4(host: str) -> bool:
    """Is this text an IPv4 address?"""
    return _IPV4.match(host) is not None


def is_ipv6(host: str) -> bool:
    """Is this text an IPv6 address, with brackets or without?"""
    if ":" not in host:
        return False
    try:
        socket.inet_pton(socket.AF_INET6, host[1:-1] if host[:1] == "[" else host)
    except OSError:
        return False
    return True


@lru_cache(maxsize=4096)
def one_form(ip: str) -> str:
    """An address in the form all of ours have, from any other without brackets. OSError: it is none (IPv4 is not looked at)."""
    if ":" not in ip:
        return ip
    return ":".join([f"{group:X}" for group in struct.unpack("!8H", socket.inet_pton(socket.AF_INET6, ip))])


def local_address(sock: socket.socket) -> tuple[str, int]:
    """Address and port a socket of the system is bound to."""
    ip, port = sock.getsockname()[:2]
    return one_form(ip), port


def plain_ip(host: str) -> str | None:
    """The address in our form of text without brackets when host is one, else None."""
    if _IPV4.match(host):
        return host
    if ":" in host:
        try:
            return one_form(host[1:-1] if host[:1] == "[" else host)
        except OSError:
            return None
    return None


def bracketed(host: str) -> str:
    """As it stands before a port or in a URI: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and host[0] != "[" else host


def same_family(first: str, second: str) -> bool:
    """Are both IPv4 or both IPv6?"""
    return (":" in first) == (":" in second)


def split_host_port(text: str) -> tuple[str, int]:
    """("1.2.3.4", 5060) of "1.2.3.4:5060", "[::1]:5060", "::1" or a bare host; port 0 without one. ValueError: no port."""
    if text[:1] == "[":
        host, closing, rest = text[1:].partition("]")
        if not closing or (rest and rest[0] != ":"):
            raise ValueError(f"bad address {text!r}")
        port = rest[1:]
    elif text.count(":") > 1:
        return text, 0
    else:
        host, _, port = text.partition(":")
    number = int(port) if port else 0
    if not 0 <= number <= 65535:
        raise ValueError(f"bad port in {text!r}")
    return host, number
