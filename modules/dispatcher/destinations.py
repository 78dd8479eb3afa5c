"""What a partition holds: destinations with their state, in sets, and the ways to find them.

Weights are summed up along a set whenever it changes, over all destinations and over the active ones, so that choosing by a
hash is one search.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final

from engine.module import Context, Value
from engine.sip.uri import SipUri
from engine.transport.address import Target

ACTIVE, INACTIVE, PROBING = 0, 1, 2
STATE_NAMES: Final = ("Active", "Inactive", "Probing")


class Destination:
    """One row of the table."""

    __slots__ = (
        "uri", "dst_uri", "hostport", "attrs", "script_attrs", "description", "state", "permanent", "dirty", "weight", "priority",
        "socket", "targets", "failures", "hits", "streak", "load",
    )

    def __init__(
        self, uri: SipUri, targets: list[Target], *, state: int = ACTIVE, permanent: bool = False, weight: int = 1,
        priority: int = 0, attrs: str = "", description: str = "", socket: Any = None,
    ) -> None:
        self.uri = uri.text
        """As in the table: what is pinged, and how MI and a reload know it again."""
        rest = uri.hostport + (f";{uri.params}" if uri.params else "")
        plain = uri.user is None and uri.password is None and not uri.headers
        self.dst_uri = uri.text if plain else f"{uri.text[:len(uri.scheme)]}:{rest}"
        """What $du becomes: without user and headers."""
        self.hostport = rest
        """Host, port and parameters: what ds_select_domain() puts into the Request-URI."""
        self.attrs = attrs
        self.script_attrs: str | None = None
        self.description = description
        self.state = state
        self.permanent = permanent
        """It is pinged whatever its state, unless inactive."""
        self.dirty = False
        """The table does not know the state yet."""
        self.weight = weight
        self.priority = priority
        self.socket = socket
        """ListenSocket to send by, or None."""
        self.targets = targets
        """The addresses it resolved to when it was loaded."""
        self.failures = 0
        """How often probing was asked for since the last good answer."""
        self.hits = 0
        """How often it was the first choice."""
        self.streak = 0
        """Turns it had in a row."""
        self.load: Callable[[Context], Value] | None = None
        """Getter of its pvar_algo_pattern variable, bound when first needed."""

    @property
    def is_active(self) -> bool:
        """Whether it may be chosen."""
        return self.state == ACTIVE

    def answers_to(self, address: str) -> bool:
        """Whether this address of MI or of an AVP means it: as in the table, or as in $du."""
        wanted = address.lower()
        return self.uri.lower() == wanted or self.dst_uri.lower() == wanted


class DestinationSet:
    """The destinations of one set, higher priority first, then in the order of the table."""

    __slots__ = ("id", "destinations", "active", "last", "sums", "active_sums")

    def __init__(self, id: int, destinations: list[Destination]) -> None:
        self.id = id
        self.destinations = sorted(destinations, key=lambda one: -one.priority)
        self.active = 0
        """How many are active."""
        self.last = 0
        """Place of the one that was chosen last."""
        self.sums: list[int] = []
        """By place: the weights up to there."""
        self.active_sums: list[int] = []
        """The same over the active ones."""
        self.recount()

    def recount(self) -> None:
        """Sum up again, after a change of state or weight."""
        self.active = sum(one.state == ACTIVE for one in self.destinations)
        self.sums = list(accumulate(one.weight for one in self.destinations))
        self.active_sums = list(accumulate(one.weight if one.state == ACTIVE else 0 for one in self.destinations))

    def find(self, address: str) -> Destination | None:
        """A destination by its URI; one written just so goes before one whose $du is meant."""
        wanted = address.lower()
        for one in self.destinations:
            if one.uri.lower() == wanted:
                return one
        return next((one for one in self.destinations if one.answers_to(address)), None)


Place = tuple[DestinationSet, Destination, int]
"""A set, a destination in it, and the port of one of its addresses."""


class Data:
    """All sets of a partition; made anew by every load."""

    __slots__ = ("sets", "places")

    def __init__(self, rows: list[tuple[int, Destination]]) -> None:
        grouped: dict[int, list[Destination]] = {}
        for id, destination in rows:
            grouped.setdefault(id, []).append(destination)
        # The newest set goes first in lists and searches, as scripts and tools know it.
        self.sets = {id: DestinationSet(id, grouped[id]) for id in reversed(grouped)}
        self.places: dict[str, list[Place]] = {}
        """By IP address, in the order of searching."""
        for found in self.sets.values():
            for destination in found.destinations:
                for target in destination.targets:
                    self.places.setdefault(target.ip, []).append((found, destination, target.port))

    def at(self, ip: str, port: int, set_id: int) -> list[tuple[DestinationSet, Destination]]:
        """Destinations at an address; port 0: any, set_id -1: in all sets."""
        return [
            (found, destination) for found, destination, its_port in self.places.get(ip, ())
            if (not port or not its_port or port == its_port) and set_id in (-1, found.id)
        ]

    def inherit(self, old: Data) -> None:
        """Take over what was learned about destinations that stay: state, failures, attributes given by scripts."""
        for id, found in self.sets.items():
            known = old.sets.get(id)
            if known is None:
                continue
            by_uri = {one.uri.lower(): one for one in reversed(known.destinations)}
            for one in found.destinations:
                before = by_uri.get(one.uri.lower())
                if before is None:
                    continue
                if before.state != one.state:
                    # The table still has the other state: what was not written back has to be.
                    one.state = before.state
                    one.dirty = before.dirty
                one.failures = before.failures
                one.script_attrs = before.script_attrs
            found.recount()
