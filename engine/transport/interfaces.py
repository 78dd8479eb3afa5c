"""From what stands in `socket=` to addresses: literal ones, names, interface names and "*". Linux; used at start only."""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path
from typing import Final

from engine.errors import ConfigError
from engine.transport.address import one_form, plain_ip

_SIOCGIFADDR: Final = 0x8915


def _ipv4_of(interface: str) -> str | None:
    """The IPv4 address of an interface, None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def _ipv6_of(interface: str) -> list[str]:
    """The IPv6 addresses of an interface, link-local ones left out: they need a zone to be of use."""
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        digits, _, _, scope, _, name = line.split()
        if name == interface and scope != "20":
            found.append(one_form(":".join(digits[at:at + 4] for at in range(0, 32, 4))))
    return found


def interface_addresses(interface: str) -> list[str]:
    """All addresses of an interface, IPv4 first."""
    ipv4 = _ipv4_of(interface)
    return ([ipv4] if ipv4 else []) + _ipv6_of(interface)


def addresses_of(host: str) -> list[str]:
    """The addresses to listen on for a `socket=` host. ConfigError: nobody knows it."""
    literal = plain_ip(host)
    if literal is not None:
        return [literal]
    if host == "*":
        return [ip for _, name in socket.if_nameindex() for ip in interface_addresses(name)]
    if host in (name for _, name in socket.if_nameindex()):
        found = interface_addresses(host)
        if found:
            return found
    try:
        known = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise ConfigError(f"could not resolve listening address {host!r}") from None
    return [one_form(str(known[0][4][0]))]
