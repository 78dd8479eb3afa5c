"""Destination blacklists from the script: use them for a message, ask them, change them."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from engine.errors import ConfigError
from engine.module import Module, function
from engine.script.context import Context
from engine.transport.address import plain_ip
from engine.transport.blacklists import ALL, SLOT, Blacklist, Rule

_PROTOCOLS = ("udp", "tcp", "tls", "sctp", "ws", "wss")


def proto_name(text: str) -> str:
    """Fixup: a protocol; "any" or nothing is any."""
    name = text.strip().lower()
    if name in ("", "any", "none"):
        return ""
    if name not in _PROTOCOLS:
        raise ConfigError(f"unknown protocol {text!r}")
    return name


def address(text: str) -> str:
    """Fixup: an IP address."""
    found = plain_ip(text.strip())
    if found is None:
        raise ConfigError(f"{text!r} is no IP address")
    return found


def net(text: str) -> tuple[Any, bool]:
    """Fixup: "10.0.0.0/8", "10.0.0.1", with a leading "!" for everything else; gives the net and whether it is negated."""
    stripped = text.strip()
    negated = stripped.startswith("!")
    try:
        return ipaddress.ip_network(stripped.lstrip("! ").replace("[", "").replace("]", ""), strict=False), negated
    except ValueError:
        raise ConfigError(f"{text!r} is neither an address nor a net") from None


NetRule = Annotated[tuple[Any, bool], "str"]
"""A net and whether it is negated, written as text."""
List = Annotated[Blacklist, "str"]
ListOrAll = Annotated[Blacklist | None, "str"]


class BlacklistFunctions(Module):
    """use_blacklist(), check_blacklist_rule() ..."""

    def mod_init(self) -> None:
        self.server.blacklists.load(self.server.settings.dst_blacklists)

    def known_list(self, text: str) -> Blacklist:
        """Fixup: a list that the script defines."""
        found: Blacklist | None = self.server.blacklists.lists.get(text)
        if found is None:
            raise ConfigError(f"blacklist <{text}> is not defined", hint=f"write dst_blacklist = {text}")
        return found

    def list_or_all(self, text: str) -> Blacklist | None:
        """Fixup: a list, or "all"."""
        return None if text == "all" else self.known_list(text)

    @staticmethod
    def _mark(ctx: Context, blacklist: Blacklist | None, on: bool) -> None:
        slots = ctx.slots
        if slots is None:
            slots = ctx.slots = {}
        if blacklist is None:
            slots[SLOT] = ALL if on else 0
        else:
            mask = slots.get(SLOT, 0)
            slots[SLOT] = mask | blacklist.bit if on else mask & ~blacklist.bit

    @function(blacklist="list_or_all")
    def use_blacklist(self, ctx: Context, blacklist: ListOrAll) -> int:
        """Send this message to no destination on a list ("all": on any). 1."""
        self._mark(ctx, blacklist, True)
        return 1

    @function(blacklist="list_or_all")
    def unuse_blacklist(self, ctx: Context, blacklist: ListOrAll) -> int:
        """Take use_blacklist() back. 1."""
        self._mark(ctx, blacklist, False)
        return 1

    @function(blacklist="list_or_all", ip=address, proto=proto_name)
    def check_blacklist_rule(
        self, ctx: Context, blacklist: ListOrAll, ip: str, port: int | None = None, proto: str | None = None,
        pattern: str | None = None,
    ) -> bool:
        """1 when a destination is on a list ("all": on one of those in use), else -1."""
        lists = self.server.blacklists
        text = pattern or ""
        if blacklist is not None:
            return bool(lists.on_list(blacklist, ip, port or 0, proto or "", lambda: text))
        mask = (ctx.slots or {}).get(SLOT, 0)
        return bool(lists.on_any(mask, ip, port or 0, proto or "", lambda: text))

    @function(blacklist="known_list", ip=net, proto=proto_name)
    def add_blacklist_rule(
        self, ctx: Context, blacklist: List, ip: NetRule, port: int | None = None, proto: str | None = None,
        pattern: str | None = None, expire: int | None = None,
    ) -> bool:
        """Add a rule, for expire seconds when given. 1; -1 when the list is read-only or its rules cannot expire."""
        network, negated = ip
        if self.server.blacklists.add(blacklist, Rule(network, proto or "", port or 0, pattern or "", negated), expire or 0):
            return True
        self.log.error("blacklist %s takes no %s", blacklist.name, "rules" if blacklist.readonly else "rules that expire")
        return False

    @function(blacklist="known_list", ip=net, proto=proto_name)
    def del_blacklist_rule(
        self, ctx: Context, blacklist: List, ip: NetRule, port: int | None = None, proto: str | None = None,
        pattern: str | None = None,
    ) -> bool:
        """Remove a rule. 1; -1 when the list is read-only or has no such rule."""
        network, negated = ip
        return bool(self.server.blacklists.remove(blacklist, Rule(network, proto or "", port or 0, pattern or "", negated)))
