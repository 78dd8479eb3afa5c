"""What the definitions among the global parameters say: sockets, aliases, destination blacklists, scaling profiles."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from engine.script.nodes import Pos


@dataclass(slots=True)
class SocketSpec:
    """`socket = proto:host[:ports] [parameters]`."""

    pos: Pos
    proto: str
    host: str
    """Address without brackets, name, interface, or `*`."""
    ports: list[tuple[int, int]] = field(default_factory=list)
    """Ranges, both ends included; empty: the default port of the protocol."""
    advertised_host: str = ""
    advertised_port: int = 0
    tag: str = ""
    workers: int = 0
    profile: str = ""
    tos: int | None = None
    flags: frozenset[str] = frozenset()
    """Of anycast, frag, reuse_port, accept_subdomain."""

    @property
    def port_list(self) -> list[int]:
        """Every port of the ranges, in order."""
        return [port for low, high in self.ports for port in range(low, high + 1)]


@dataclass(slots=True)
class AliasSpec:
    """One name of `alias =` that is us. Protocol and port are empty and 0 when any will do."""

    pos: Pos
    host: str
    proto: str = ""
    port: int = 0
    accept_subdomain: bool = False


@dataclass(slots=True)
class BlacklistRule:
    """One rule of a blacklist; `negated` with a leading `!`."""

    pos: Pos
    net: ipaddress.IPv4Network | ipaddress.IPv6Network
    proto: str = ""
    port: int = 0
    text: str = ""
    """A part of the message that must match; empty: any."""
    negated: bool = False


@dataclass(slots=True)
class BlacklistSpec:
    """`dst_blacklist = NAME/flags: { rules }`."""

    pos: Pos
    name: str
    flags: frozenset[str] = frozenset()
    """Of readonly, expire, default."""
    rules: list[BlacklistRule] = field(default_factory=list)


@dataclass(slots=True)
class ScalingProfile:
    """`auto_scaling_profile`; the figures of scaling down are 0 when it never does."""

    pos: Pos
    name: str
    max_workers: int
    up_percent: int
    up_cycles: int
    up_window: int
    min_workers: int = 0
    down_percent: int = 0
    down_cycles: int = 0


@dataclass(slots=True)
class Workers:
    """`udp_workers = 4 use_auto_scaling_profile NAME`."""

    count: int
    profile: str


@dataclass(slots=True)
class Host:
    """An address or a name as the value of a parameter: brackets and quotes are gone."""

    text: str
