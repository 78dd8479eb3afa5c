"""Destination blacklists: named lists of rules (net, protocol, port, pattern), switched on per message.

A list is defined by dst_blacklist; rules may be added and removed while the server runs unless it is read-only, and may expire
when it says so. No list is in use by itself: use_blacklist() marks lists for one message, the mask of marked lists travels with
the run (ctx.slots["blacklists"]), and whoever is about to send a request asks blocks().
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.transport.address import Target

SLOT: Final = "blacklists"
"""Where a run keeps the mask of the lists it uses, in ctx.slots."""
ALL: Final = -1
"""The mask of all lists."""

Net = ipaddress.IPv4Network | ipaddress.IPv6Network


class Rule:
    """What a destination must be to be on a list: inside net, and of the protocol, port and pattern where given."""

    __slots__ = ("net", "proto", "port", "pattern", "negated", "expires")

    def __init__(
        self, net: Net, proto: str = "", port: int = 0, pattern: str = "", negated: bool = False, expires: float | None = None,
    ) -> None:
        self.net = net
        self.proto = proto
        """"" any."""
        self.port = port
        """0 any."""
        self.pattern = pattern
        """Shell pattern (fnmatch) the message must match; "" any."""
        self.negated = negated
        """The rule hits whatever does not match."""
        self.expires = expires
        """Clock time at which the rule is over, None never."""

    def key(self) -> tuple[Any, ...]:
        """What makes two rules the same."""
        return self.net, self.proto, self.port, self.pattern, self.negated

    def hits(self, address: Any, port: int, proto: str, text: Callable[[], str]) -> bool:
        """Whether a destination is meant."""
        matches = (
            (not self.port or self.port == port) and (not self.proto or self.proto == proto)
            and address.version == self.net.version and address in self.net
            and (not self.pattern or fnmatchcase(text(), self.pattern))
        )
        return matches is not self.negated


class Blacklist:
    """One named list."""

    __slots__ = ("name", "bit", "owner", "readonly", "expiring", "default", "rules")

    def __init__(self, name: str, bit: int, flags: Iterable[str] = (), owner: str = "script") -> None:
        chosen = frozenset(flags)
        self.name = name
        self.bit = bit
        self.owner = owner
        """Who fills it: the script, or the name of a module."""
        self.readonly = "readonly" in chosen
        self.expiring = "expire" in chosen
        self.default = "default" in chosen
        """Written so in the script; has no effect of its own, as in the reference."""
        self.rules: list[Rule] = []


class Blacklists:
    """The lists of one server. clock: seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.lists: dict[str, Blacklist] = {}

    def define(self, name: str, flags: Iterable[str] = (), owner: str = "script") -> Blacklist:
        """A list by name, made when it is new."""
        found = self.lists.get(name)
        if found is None:
            found = self.lists[name] = Blacklist(name, 1 << len(self.lists), flags, owner)
        return found

    def load(self, specs: Iterable[Any]) -> None:
        """Take over the dst_blacklist definitions (engine.script.definitions.BlacklistSpec); without flags a list is read-only."""
        for spec in specs:
            made = self.define(spec.name, spec.flags or ("readonly",))
            made.rules = [Rule(rule.net, rule.proto, rule.port, rule.text, rule.negated) for rule in spec.rules]

    def add(self, found: Blacklist, rule: Rule, expire: int = 0) -> bool:
        """Add a rule for expire seconds (0: for good); the same rule again renews it. False when the list refuses."""
        if found.readonly or (expire and not found.expiring):
            return False
        rule.expires = self.clock() + expire if expire else None
        for old in self._alive(found):
            if old.key() == rule.key():
                old.expires = rule.expires
                return True
        found.rules.append(rule)
        return True

    @staticmethod
    def remove(found: Blacklist, rule: Rule) -> bool:
        """Remove a rule. False when the list is read-only or has no such rule."""
        if found.readonly:
            return False
        for at, old in enumerate(found.rules):
            if old.key() == rule.key():
                del found.rules[at]
                return True
        return False

    def _alive(self, found: Blacklist) -> list[Rule]:
        """The rules whose time is not over."""
        if found.expiring:
            now = self.clock()
            found.rules = [rule for rule in found.rules if rule.expires is None or rule.expires > now]
        return found.rules

    def on_list(self, found: Blacklist, ip: str, port: int, proto: str, text: Callable[[], str]) -> bool:
        """Whether a destination is on a list."""
        address = ipaddress.ip_address(ip)
        return any(rule.hits(address, port, proto, text) for rule in self._alive(found))

    def on_any(self, mask: int, ip: str, port: int, proto: str, text: Callable[[], str]) -> bool:
        """Whether a destination is on one of the marked lists."""
        if not mask:
            return False
        return any(self.on_list(found, ip, port, proto, text) for found in self.lists.values() if found.bit & mask)

    def blocks(self, slots: dict[str, Any] | None, target: Target, text: Callable[[], str]) -> bool:
        """Whether a request may not go to a target. slots: ctx.slots of the run; text: the message that would be sent."""
        if not slots:
            return False
        mask: int = slots.get(SLOT, 0)
        return bool(mask) and self.on_any(mask, target.ip, target.port, target.proto, text)
