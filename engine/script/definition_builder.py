"""The part of the builder that reads global parameters: sockets, aliases, blacklists, scaling profiles, plain values.

One method per alternative of the grammar, as in `engine.script.builder`, which inherits from this.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from engine.errors import ConfigError, ScriptSyntaxError
from engine.script import nodes as n
from engine.script.definitions import AliasSpec, BlacklistRule, BlacklistSpec, Host, ScalingProfile, SocketSpec, Workers
from engine.script.nodes import Pos
from engine.script.tokens import Token

PROTOCOLS: Final = frozenset({
    "udp", "tcp", "tls", "sctp", "ws", "wss", "ipsec", "bin", "bins", "hep_udp", "hep_tcp", "hep_tls", "smpp", "msrp", "msrps",
})

Children = list[Any]


class DefinitionBuilder:
    """Makes the values of global parameters, and keeps the errors."""

    def __init__(self, stacks: dict[str, tuple[tuple[str, int], ...]]) -> None:
        self.stacks = stacks
        self.errors: list[ConfigError] = []
        self.warnings: list[n.ConfigWarning] = []

    def fail(self, pos: Pos, message: str, hint: str = "") -> None:
        """Note an error and go on."""
        error = ScriptSyntaxError(message, pos.file, pos.line, pos.column, pos.end_column, hint)
        error.include_stack = self.stacks.get(pos.file, ())
        self.errors.append(error)

    @staticmethod
    def parameter(name: Token, value: object, value_pos: Pos) -> n.GlobalParam:
        return n.GlobalParam(name.pos, name.text, value, value_pos)

    def global_simple(self, c: Children) -> n.GlobalParam:
        return self.parameter(c[0], c[1], c[1].pos)

    def global_workers(self, c: Children) -> n.GlobalParam:
        count = c[1]
        if not isinstance(count.value, int):
            self.fail(count.pos, f"{c[0].text} expects a number", f"write {c[0].text} = 4 use_auto_scaling_profile NAME")
            count = n.Const(count.pos, 1)
        return self.parameter(c[0], Workers(count.value, c[3].value), count.pos)

    def global_release(self, c: Children) -> n.GlobalParam:
        major, minor = c[1], c[-1]
        return self.parameter(c[0], n.Const(major.pos, f"{major.text}.{minor.text}", '"'), major.pos)

    def global_group(self, c: Children) -> n.GlobalParam:
        return self.parameter(c[0], (c[1].value, c[2].value), c[1].pos)

    def global_address(self, c: Children) -> n.GlobalParam:
        text, pos = c[1]
        return self.parameter(c[0], Host(text), pos)

    def global_socket(self, c: Children) -> n.GlobalParam:
        return self.parameter(c[0], c[1], c[1].pos)

    def global_value(self, c: Children) -> n.GlobalParam:
        first = c[1][0] if isinstance(c[1], list) else c[1]
        return self.parameter(c[0], c[1], first.pos)

    @staticmethod
    def word(c: Children) -> n.Const:
        return n.Const(c[0].pos, c[0].text)

    def protocol(self, token: Token) -> str:
        """A protocol name, checked."""
        name = token.text.lower()
        if name not in PROTOCOLS:
            self.fail(token.pos, f"cannot handle protocol <{token.text}>", "known are " + " ".join(sorted(PROTOCOLS)))
        return name

    def socket_id(self, c: Children) -> SocketSpec:
        host, _ = c[1]
        ports = c[2] if len(c) > 2 else []
        return SocketSpec(c[0].pos, self.protocol(c[0]), host, ports)

    @staticmethod
    def socket(c: Children) -> SocketSpec:
        return c[0]  # type: ignore[no-any-return]

    def socket_with(self, c: Children) -> SocketSpec:
        spec: SocketSpec = c[0]
        what, *values = c[1]
        match what:
            case "as":
                (spec.advertised_host, _), port = values
                spec.advertised_port = port or 0
            case "use_workers":
                spec.workers = values[0]
            case "tos":
                spec.tos = values[0]
            case "tag":
                spec.tag = values[0]
            case "use_auto_scaling_profile":
                spec.profile = values[0]
            case _:
                spec.flags |= {what}
        return spec

    @staticmethod
    def socket_flag(c: Children) -> list[Any]:
        return [c[0].text.lower()]

    @staticmethod
    def socket_option(c: Children) -> list[Any]:
        values = [item.value if isinstance(item, n.Const) else item for item in c[1:]]
        return [c[0].text.lower(), *values]

    @staticmethod
    def star(c: Children) -> tuple[str, Pos]:
        return "*", c[0].pos

    def port_range(self, c: Children) -> tuple[int, int]:
        low, high = c[0].value, c[-1].value
        if not 0 <= low <= high <= 65535:
            self.fail(c[0].pos, f"invalid port range ({low} > {high})" if low > high else f"{high} is not a port number")
        return low, high

    @staticmethod
    def plain_host(c: Children) -> tuple[str, Pos]:
        return c[0]  # type: ignore[no-any-return]

    @staticmethod
    def quoted_host(c: Children) -> tuple[str, Pos]:
        text = c[0].value
        return (text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text), c[0].pos

    @staticmethod
    def name_start(c: Children) -> tuple[str, Pos]:
        return c[0].text, c[0].pos

    @staticmethod
    def name_more(c: Children) -> tuple[str, Pos]:
        return c[0][0] + c[1].text + c[2].text, c[0][1]

    def address(self, c: Children) -> tuple[str, Pos]:
        """An address as a host; what is not one is an error."""
        token = c[0]
        try:
            ipaddress.ip_address(token.text)
        except ValueError:
            self.fail(token.pos, f"bad address {token.text}")
        return token.text, token.pos

    @staticmethod
    def any_port(c: Children) -> int:
        return 0

    @staticmethod
    def alias_host(c: Children) -> AliasSpec:
        return AliasSpec(c[0][1], c[0][0])

    def alias_full(self, c: Children) -> AliasSpec:
        proto = "" if c[0].type == "ANY" else self.protocol(c[0])
        return AliasSpec(c[0].pos, c[1][0], proto, _port(c[2]))

    @staticmethod
    def alias(c: Children) -> AliasSpec:
        c[0].accept_subdomain = c[1] is not None
        return c[0]  # type: ignore[no-any-return]

    def profile(self, c: Children) -> ScalingProfile:
        name, (most, up_percent, up_cycles, window), down = c
        least, down_percent, down_cycles = down or (0, 0, 0)
        spec = ScalingProfile(name.pos, name.text, most, up_percent, up_cycles, window, least, down_percent, down_cycles)
        if not 0 < most or least > most or not 0 <= down_percent < 101 or not 0 < up_percent < 101:
            self.fail(name.pos, f"failed to create the auto scaling profile {name.text}", "percent is 1 to 100")
        return spec

    @staticmethod
    def scale_up(c: Children) -> tuple[int, ...]:
        most, percent, cycles, *window = _numbers(c)
        return most, percent, cycles, window[0] if window else cycles

    @staticmethod
    def scale_down(c: Children) -> tuple[int, ...]:
        return tuple(_numbers(c))

    @staticmethod
    def blacklist(c: Children) -> BlacklistSpec:
        return BlacklistSpec(c[0].pos, c[0].text, frozenset(c[1] or ()), c[2] or [])

    @staticmethod
    def readonly(c: Children) -> str:
        return "readonly"

    def net(self, c: Children) -> tuple[str, Pos]:
        """A net or an address, checked."""
        if isinstance(c[0], tuple):
            return c[0]
        token = c[0]
        try:
            ipaddress.ip_network(token.text, strict=False)
        except ValueError as error:
            self.fail(token.pos, f"unable to parse ip and/or netmask: {error}")
        return token.text, token.pos

    def rule(self, negated: Token | None, proto: str, net: tuple[str, Pos], port: object, text: Token | None) -> BlacklistRule:
        try:
            network = ipaddress.ip_network(net[0], strict=False)
        except ValueError:
            network = ipaddress.ip_network("0.0.0.0")  # reported already
        pos = negated.pos if negated else net[1]
        return BlacklistRule(pos, network, proto, _port(port), str(text.value) if text else "", negated is not None)

    def blacklist_net(self, c: Children) -> BlacklistRule:
        return self.rule(c[0], "", c[1], c[2] if len(c) > 2 else None, None)

    def blacklist_full(self, c: Children) -> BlacklistRule:
        proto = "" if c[1].type == "ANY" else self.protocol(c[1])
        return self.rule(c[0], proto, c[2], c[3], c[4])


def _numbers(c: Children) -> list[int]:
    """The numbers among the values of a rule."""
    return [item.value for item in c if isinstance(item, n.Const) and isinstance(item.value, int)]


def _port(value: object) -> int:
    """A port as the grammar gives it: a number, `any` (0 already) or nothing."""
    return value.value if isinstance(value, n.Const) and isinstance(value.value, int) else 0
