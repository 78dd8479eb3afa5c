"""natping_socket: datagrams that seem to come from another IPv4 address and port, by a raw socket (RFC 791, RFC 768)."""

from __future__ import annotations

import socket
import struct
from typing import Final

from engine.errors import ConfigError, TransportError
from engine.transport.address import is_ipv4, split_host_port

_TTL: Final = 69
_UDP: Final = 17
_SIP_PORT: Final = 5060


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(word for (word,) in struct.iter_unpack(">H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagram(payload: bytes, source: tuple[str, int], target: tuple[str, int]) -> bytes:
    """An IPv4 packet with a UDP datagram in it; the UDP checksum is left out, which IPv4 allows."""
    length = 28 + len(payload)
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    head = struct.pack(">BBHHHBBH", 0x45, 0, length, 23, 0, _TTL, _UDP, 0) + addresses
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    return head + struct.pack(">HHHH", source[1], target[1], 8 + len(payload), 0) + payload


def source_of(text: str) -> tuple[str, int]:
    """Address and port of "[udp:]host[:port]". Raises ConfigError: no UDP, no IPv4 address."""
    proto, colon, rest = text.partition(":")
    if colon and proto.isalpha():
        if proto.lower() != "udp":
            raise ConfigError(f"nathelper: natping_socket can be UDP only, not {text!r}")
        text = rest
    try:
        host, port = split_host_port(text)
        if not is_ipv4(host):
            host = socket.gethostbyname(host)
    except (ValueError, OSError):
        raise ConfigError(f"nathelper: natping_socket {text!r} is no IPv4 address") from None
    return host, port or _SIP_PORT


class RawSender:
    """Sends as somebody else."""

    __slots__ = ("source", "_sock")

    def __init__(self, source: tuple[str, int], sock: socket.socket) -> None:
        self.source = source
        self._sock = sock

    @classmethod
    def to(cls, text: str) -> RawSender:
        """The sender for a natping_socket. Raises ConfigError, also when the process may not use raw sockets."""
        source = source_of(text)
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        except OSError as error:
            raise ConfigError(f"nathelper: natping_socket needs a raw socket: {error.strerror}") from None
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        return cls(source, sock)

    def send(self, payload: bytes, ip: str, port: int) -> None:
        """One datagram. Raises TransportError."""
        try:
            self._sock.sendto(datagram(payload, self.source, (ip, port)), (ip, 0))
        except OSError as error:
            raise TransportError(f"sending to {ip}:{port} failed: {error}", -477) from None

    def close(self) -> None:
        """No more."""
        self._sock.close()
