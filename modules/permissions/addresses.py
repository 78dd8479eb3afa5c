"""Addresses and networks by group, found by as many steps as there are different masks, however many rows the table has.

An index keeps single addresses (and networks whose own address is asked for) in one dictionary and networks in one dictionary
per length of prefix. Among several rows that match, an exact address goes before networks, wider networks before narrower ones,
and of equal ones the row that was read last: the order of the reference, which shows in the context information.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any, Final, NamedTuple

from modules.shared.corehash import finished, mixed
from modules.shared.glob import matches_glob

ANY: Final = ""
PROTOCOLS: Final = frozenset((
    "udp", "tcp", "tls", "sctp", "ws", "wss", "ipsec", "bin", "bins", "hep_udp", "hep_tcp", "hep_tls", "smpp", "msrp", "msrps",
))
_FIRST_BUCKETS: Final = 16

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Point(NamedTuple):
    """An address, ready to be looked up."""

    version: int
    number: int
    bits: int
    """32 or 128."""


@lru_cache(maxsize=4096)
def read_address(text: str) -> Point:
    """An IP address from its text, brackets allowed. Raises ValueError."""
    found = ipaddress.ip_address(text[1:-1] if text[:1] == "[" else text)
    return Point(found.version, int(found), found.max_prefixlen)


def read_protocol(text: str) -> str:
    """A protocol in lower case, "" for any. Raises ValueError."""
    found = text.strip().lower()
    if found in ("", "any"):
        return ANY
    if found not in PROTOCOLS:
        raise ValueError(f"unknown protocol <{text}>")
    return found


class Entry:
    """One row of the table."""

    __slots__ = ("group", "network", "port", "proto", "pattern", "info")

    def __init__(self, group: int, network: Network, port: int, proto: str, pattern: str, info: str) -> None:
        self.group = group
        self.network = network
        self.port = port
        """0: any."""
        self.proto = proto
        """"": any."""
        self.pattern = pattern
        """Glob for a text given by the script, "": none."""
        self.info = info

    @property
    def is_host(self) -> bool:
        """Whether it is one address, not a network."""
        return self.network.prefixlen == self.network.max_prefixlen

    def fits(self, port: int, proto: str, text: str | None) -> bool:
        """Whether the rest of the row fits; port 0 and proto "" fit every row, as does no text."""
        return (
            (not port or not self.port or self.port == port) and (not proto or not self.proto or self.proto == proto)
            and (not self.pattern or text is None or matches_glob(self.pattern, text))
        )


def read_row(row: tuple[Any, ...]) -> Entry | None:
    """An entry of (ip, group, mask, port, protocol, pattern, info); None: protocol "none", the row never matches. Raises
    ValueError with what is wrong."""
    ip, group, mask, port, proto, pattern, info = row
    if None in (ip, group, mask, port, proto):
        raise ValueError("a column that must not be empty is")
    address = read_address(str(ip).strip())
    if int(group) < 0:
        raise ValueError(f"group {group} is negative")
    if not 0 <= int(mask) <= address.bits:
        raise ValueError(f"mask {mask} is too large for the address {ip}")
    if str(proto).strip().lower() == "none":
        return None
    kind = ipaddress.IPv4Network if address.version == 4 else ipaddress.IPv6Network
    network = kind((address.number, int(mask)), strict=False)
    return Entry(int(group), network, int(port), read_protocol(str(proto)), str(pattern or ""), str(info or ""))


class Index:
    """Entries by address."""

    __slots__ = ("_own", "_nets")

    def __init__(self) -> None:
        self._own: dict[tuple[int, int], list[Entry]] = {}
        """(version, address of the entry's network) -> entries, the last read first."""
        self._nets: dict[int, dict[int, dict[int, list[Entry]]]] = {4: {}, 6: {}}
        """Version -> length of the prefix, wider ones first -> prefix -> entries."""

    def add(self, entry: Entry) -> None:
        """Take up an entry."""
        network = entry.network
        number = int(network.network_address)
        self._own.setdefault((network.version, number), []).insert(0, entry)
        if not entry.is_host:
            by_length = self._nets[network.version]
            if network.prefixlen not in by_length:
                by_length[network.prefixlen] = {}
                self._nets[network.version] = {length: by_length[length] for length in sorted(by_length)}
                by_length = self._nets[network.version]
            prefix = number >> (network.max_prefixlen - network.prefixlen)
            by_length[network.prefixlen].setdefault(prefix, []).insert(0, entry)

    def at(self, point: Point) -> list[Entry]:
        """Entries an address belongs to, in the order in which they count."""
        version, number, bits = point
        found = self._own.get((version, number), ())
        for length, prefixes in self._nets[version].items():
            inside = prefixes.get(number >> (bits - length))
            if inside is not None:
                found = [*found, *inside]
        return list(found)


class AddressTable:
    """The rows of one partition."""

    __slots__ = ("groups", "_all", "_entries")

    def __init__(self) -> None:
        self.groups: dict[int, Index] = {}
        self._all = Index()
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Take up an entry."""
        if entry.group not in self.groups:
            self.groups[entry.group] = Index()
        self.groups[entry.group].add(entry)
        self._all.add(entry)
        self._entries.append(entry)

    def find(self, group: int, point: Point, port: int, proto: str, text: str | None) -> Entry | None:
        """The entry that counts for an address in a group, None without one. Group 0: in the group with the smallest number that
        has one."""
        if group:
            index = self.groups.get(group)
            for one in index.at(point) if index is not None else ():
                if one.fits(port, proto, text):
                    return one
            return None
        best: Entry | None = None
        for one in self._all.at(point):
            if (best is None or one.group < best.group) and one.fits(port, proto, text):
                best = one
        return best

    def listed(self, subnets: bool) -> list[Entry]:
        """Entries that are networks, or those that are not, in the order of the reference's table."""
        groups: dict[int, list[Entry]] = {}
        for entry in self._entries:
            groups.setdefault(entry.group, []).append(entry)
        return [entry for number in sorted(groups) for entry in _by_bucket(groups[number]) if entry.is_host is not subnets]


def _by_bucket(entries: list[Entry]) -> list[Entry]:
    """Entries as they lie in the reference's hash table: it doubles when it is full, and new entries go in front."""
    size = _FIRST_BUCKETS
    buckets: list[list[Entry]] = [[] for _ in range(size)]
    hashes = {id(entry): finished(mixed(entry.network.network_address.packed)) for entry in entries}
    for count, entry in enumerate(entries):
        if count >= size:
            size *= 2
            moved: list[list[Entry]] = [[] for _ in range(size)]
            for bucket in buckets:
                for one in reversed(bucket):
                    moved[hashes[id(one)] % size].append(one)
            buckets = moved
        buckets[hashes[id(entry)] % size].append(entry)
    return [entry for bucket in buckets for entry in reversed(bucket)]
