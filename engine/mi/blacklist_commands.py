"""Core MI commands about destination blacklists: list_blacklists, check_blacklists, check_blacklist, add_blacklist_rule,
del_blacklist_rule."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from engine.errors import MiError
from engine.module import Module, mi_command
from engine.transport.address import one_form, plain_ip
from engine.transport.blacklists import Blacklist, Rule

_PROTOCOLS: Final = ("udp", "tcp", "tls", "sctp", "ws", "wss")


def parse_rule(text: str) -> Rule:
    """[!][proto|any,]ip[/mask][,port[,pattern]]. Raises ValueError."""
    rest = text.lstrip()
    negated = rest.startswith("!")
    pieces = rest.lstrip("! ").split(",")
    proto = ""
    if pieces[0].strip().lower() == "any" or pieces[0].strip().lower() in _PROTOCOLS:
        proto = pieces.pop(0).strip().lower()
        proto = "" if proto == "any" else proto
    if not pieces:
        raise ValueError("no address in the rule")
    net = ipaddress.ip_network(pieces.pop(0).strip().replace("[", "").replace("]", ""), strict=False)
    port = 0
    if pieces and pieces[0].strip():
        port = int(pieces[0])
        if not 0 <= port < 65536:
            raise ValueError("bad port in the rule")
    return Rule(net, proto, port, ",".join(pieces[1:]), negated)


class BlacklistCommands(Module):
    """The commands."""

    server: Any

    def _rule(self, found: Blacklist, rule: Rule) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "flags": int(rule.negated), "IP": one_form(str(rule.net.network_address)), "Mask": one_form(str(rule.net.netmask)),
            "Proto": rule.proto or "any", "Port": rule.port,
        }
        if rule.pattern:
            shown["Match"] = rule.pattern
        if found.expiring and rule.expires is not None:
            shown["Expire"] = max(0, round(rule.expires - self.server.blacklists.clock()))
        return shown

    def _list(self, found: Blacklist) -> dict[str, Any]:
        flags = [
            name for name, on in (("read-only", found.readonly), ("expire", found.expiring), ("default", found.default)) if on
        ]
        return {
            "name": found.name, "owner": found.owner, "flags": flags,
            "Rules": [self._rule(found, rule) for rule in found.rules if not self._is_over(rule)],
        }

    def _is_over(self, rule: Rule) -> bool:
        return rule.expires is not None and rule.expires <= self.server.blacklists.clock()

    @mi_command("list_blacklists", help="lists the blacklists with their rules, or one of them")
    def list_blacklists(self, name: str | None = None) -> dict[str, Any]:
        """404 for an unknown name."""
        lists = self.server.blacklists.lists
        if name is None:
            return {"Lists": [self._list(found) for found in lists.values()]}
        if name not in lists:
            raise MiError(404, "Unknown name")
        return self._list(lists[name])

    def _destination(self, ip: str, proto: str | None) -> tuple[str, str]:
        """(address, protocol), checked."""
        address = plain_ip(ip)
        if address is None:
            raise MiError(400, "Missing or bad IP")
        wanted = (proto or "").lower()
        if wanted in ("", "any"):
            return address, ""
        if wanted not in _PROTOCOLS:
            raise MiError(404, "Bad params")
        return address, wanted

    @mi_command(
        "check_blacklists", help="names the blacklists a destination is on",
        recipes=[["ip"], ["proto", "ip"], ["proto", "ip", "port"], ["proto", "ip", "port", "pattern"]],
    )
    def check_blacklists(self, ip: str, proto: str | None = None, port: int = 0, pattern: str = "") -> list[str]:
        """Names of lists; none when it is on none."""
        address, wanted = self._destination(ip, proto)
        blacklists = self.server.blacklists
        return [
            found.name for found in blacklists.lists.values()
            if blacklists.on_list(found, address, port, wanted, lambda: pattern)
        ]

    @mi_command(
        "check_blacklist", help="shows the rule by which a destination is on a blacklist",
        recipes=[
            ["name", "ip"], ["name", "proto", "ip"], ["name", "proto", "ip", "port"], ["name", "proto", "ip", "port", "pattern"],
        ],
    )
    def check_blacklist(self, name: str, ip: str, proto: str | None = None, port: int = 0, pattern: str = "") -> dict[str, Any]:
        """404 when it is not on the list."""
        address, wanted = self._destination(ip, proto)
        found = self._known(name)
        for rule in found.rules:
            if not self._is_over(rule) and rule.hits(ipaddress.ip_address(address), port, wanted, lambda: pattern):
                return self._rule(found, rule)
        raise MiError(404, "Not Matched")

    def _known(self, name: str) -> Blacklist:
        found: Blacklist | None = self.server.blacklists.lists.get(name)
        if found is None:
            raise MiError(400, "Missing or bad blacklist name")
        return found

    def _writable(self, name: str, rule: str) -> tuple[Blacklist, Rule]:
        found = self._known(name)
        if found.readonly:
            raise MiError(403, "Cannot modify read-only blacklist")
        try:
            return found, parse_rule(rule)
        except ValueError:
            raise MiError(404, "Bad rule") from None

    @mi_command("add_blacklist_rule", help="adds a rule: [!][proto,]ip[/mask][,port[,pattern]], for expire seconds")
    def add_blacklist_rule(self, name: str, rule: str, expire: int = 0) -> None:
        """404 for a bad rule, or when the list has no rules that expire."""
        found, made = self._writable(name, rule)
        if expire < 0:
            raise MiError(404, "Bad expire value")
        if expire and not found.expiring:
            raise MiError(404, "Blacklist without expire support")
        self.server.blacklists.add(found, made, expire)

    @mi_command("del_blacklist_rule", help="removes a rule from a blacklist")
    def del_blacklist_rule(self, name: str, rule: str) -> None:
        """404 when the list has no such rule."""
        found, made = self._writable(name, rule)
        if not self.server.blacklists.remove(found, made):
            raise MiError(404, "Rule not found")
