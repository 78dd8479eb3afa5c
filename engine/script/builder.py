"""From reductions of the grammar to nodes: one method per alternative of grammar.lark, called while the parser runs.

Each method gets the values of its rule in order (tokens in quotes in the grammar are left out). What the grammar cannot say, such
as `break` only inside a loop, is judged here; errors are collected and reading goes on.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from engine.errors import ConfigError, ScriptSyntaxError
from engine.script import nodes as n
from engine.script.definitions import (
    AliasSpec, BlacklistRule, BlacklistSpec, Host, ScalingProfile, SocketSpec, Workers,
)
from engine.script.nodes import Pos
from engine.script.tokens import Token
from engine.script.varspec import VarSpec, parse_variable

PROTOCOLS = frozenset({
    "udp", "tcp", "tls", "sctp", "ws", "wss", "ipsec", "bin", "bins", "hep_udp", "hep_tcp", "hep_tls", "smpp", "msrp", "msrps",
})
ITERATORS = frozenset({"var", "avp", "json"})
ROUTE_KINDS = {
    "route": "request", "failure_route": "failure", "branch_route": "branch", "onreply_route": "onreply", "error_route": "error",
    "local_route": "local", "startup_route": "startup", "timer_route": "timer", "event_route": "event",
}
MAX_ARGUMENTS = 8
_NAME_ONLY = re.compile(r"\$[A-Za-z0-9_.]*")

Children = list[Any]


class Builder:
    """Makes the nodes of one script."""

    def __init__(self, stacks: dict[str, tuple[tuple[str, int], ...]]) -> None:
        self.stacks = stacks
        self.errors: list[ConfigError] = []
        self.warnings: list[n.ConfigWarning] = []
        self.breaks: list[Token] = []
        self.routes: set[tuple[str, str]] = set()
        self.specs: dict[str, VarSpec] = {}

    def fail(self, pos: Pos, message: str, hint: str = "") -> None:
        """Note an error and go on."""
        error = ScriptSyntaxError(message, pos.file, pos.line, pos.column, pos.end_column, hint)
        error.include_stack = self.stacks.get(pos.file, ())
        self.errors.append(error)

    # ------------------------------------------------------------------------------------------------ lists and shapes

    @staticmethod
    def empty_list(c: Children) -> list[Any]:
        return []

    @staticmethod
    def first(c: Children) -> list[Any]:
        return c

    @staticmethod
    def grow_list(c: Children) -> list[Any]:
        c[0].append(c[1])
        return c[0]  # type: ignore[no-any-return]

    @staticmethod
    def nothing(c: Children) -> None:
        return None

    @staticmethod
    def pass_on(c: Children) -> Any:
        return c[0]

    @staticmethod
    def text(c: Children) -> str:
        return c[0].text  # type: ignore[no-any-return]

    @staticmethod
    def statements(c: Children) -> list[n.Stmt]:
        return [] if c[0] is None else c

    @staticmethod
    def more_statements(c: Children) -> list[n.Stmt]:
        if c[1] is not None:
            c[0].append(c[1])
        return c[0]  # type: ignore[no-any-return]

    # ---------------------------------------------------------------------------------------------- global parameters

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
            self.fail(name.pos, f"failed to create the auto scaling profile {name.text}", "scale down to fewer, percent up to 100")
        return spec

    @staticmethod
    def scale_up(c: Children) -> tuple[int, ...]:
        most, percent, cycles, window = (item.value for item in c if isinstance(item, n.Const)) if c[-1] else (
            *(item.value for item in c if isinstance(item, n.Const)), 0)
        return most, percent, cycles, window or cycles

    @staticmethod
    def scale_down(c: Children) -> tuple[int, ...]:
        return tuple(item.value for item in c if isinstance(item, n.Const))

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

    # ---------------------------------------------------------------------------------------------- modules and routes

    @staticmethod
    def loadmodule(c: Children) -> n.LoadModule:
        return n.LoadModule(c[0].pos, c[1].value)

    @staticmethod
    def modparam(c: Children) -> n.ModParam:
        return n.ModParam(c[0].pos, c[1].value, c[2].value, c[3].value)

    def route(self, c: Children) -> n.Route:
        word, block = c[0], c[-1]
        name = str(c[1].value) if len(c) > 2 else ""
        return self.new_route(word, name, block, 0)

    def timer_route(self, c: Children) -> n.Route:
        word, name, interval, block = c
        return self.new_route(word, str(name.value), block, interval.value)

    def new_route(self, word: Token, name: str, block: tuple[list[n.Stmt], Pos], interval: int) -> n.Route:
        body, end = block
        kind = ROUTE_KINDS[word.text]
        if kind == "request" and name and not name.strip("0"):
            name = ""  # route[0] is the main route
        shown = f"{word.text}[{name}]" if name else word.text
        if (kind, name) in self.routes and kind != "timer":
            self.fail(end, f"{shown} is defined twice", "rename or remove one of them; this is the end of the second one")
        self.routes.add((kind, name))
        self.check_breaks(0)
        return n.Route(word.pos, kind, name, body, interval, end)

    def check_breaks(self, start: int) -> None:
        """Every break from offset `start` on that no loop took is an error."""
        while self.breaks and self.breaks[-1].at >= start:
            pos = self.breaks.pop().pos
            self.fail(pos, "break outside of while, for and switch", "use return, exit or drop to leave a route")

    @staticmethod
    def block(c: Children) -> tuple[list[n.Stmt], Pos]:
        return c[1], c[2].pos

    @staticmethod
    def bare_name(c: Children) -> n.Const:
        return n.Const(c[0].pos, str(c[0].value))

    # ----------------------------------------------------------------------------------------------------- statements

    def break_(self, c: Children) -> n.Break:
        self.breaks.append(c[0])
        return n.Break(c[0].pos)

    def claim_breaks(self, start: Token) -> None:
        """The loop that begins at `start` takes the breaks behind it."""
        while self.breaks and self.breaks[-1].at > start.at:
            self.breaks.pop()

    @staticmethod
    def if_(c: Children) -> n.If:
        return n.If(c[0].pos, c[1], c[2], c[3] if len(c) > 3 else None)

    def while_(self, c: Children) -> n.While:
        self.claim_breaks(c[0])
        return n.While(c[0].pos, c[1], c[2])

    def for_(self, c: Children) -> n.For:
        self.claim_breaks(c[0])
        iterator = c[1]
        if iterator.spec.name not in ITERATORS and iterator.spec.name:
            self.fail(iterator.pos, "only $var, $avp and $json can be the iterator of a for", f"not {iterator.raw}")
        return n.For(c[0].pos, iterator, c[2], c[3])

    def switch(self, c: Children) -> n.Switch:
        self.claim_breaks(c[0])
        return n.Switch(c[0].pos, c[1], c[2], c[3] if len(c) > 3 else None)

    @staticmethod
    def case(c: Children) -> n.Case:
        return n.Case(c[0].pos, c[1], c[2] if len(c) > 2 else [])

    @staticmethod
    def default(c: Children) -> list[n.Stmt]:
        return c[1] if len(c) > 1 else []

    # -------------------------------------------------------------------------------------------------------- commands

    def call(self, c: Children) -> n.Call:
        name, args = c
        if len(args) == 1 and args[0] is None:
            args = []
        if len(args) > MAX_ARGUMENTS:
            self.fail(name.pos, f"too many arguments in {name.text}(): {len(args)}", f"a function takes {MAX_ARGUMENTS} at most")
        return n.Call(name.pos, name.text, args)

    def route_call(self, c: Children) -> n.RouteCall:
        args = c[2] if len(c) > 2 else []
        if len(args) > MAX_ARGUMENTS:
            self.fail(c[0].pos, f"too many arguments in route(): {len(args)}", f"a route takes {MAX_ARGUMENTS} at most")
        return n.RouteCall(c[0].pos, c[1], args)

    @staticmethod
    def return_nothing(c: Children) -> n.Return:
        return n.Return(c[0].pos, [])

    @staticmethod
    def return_code(c: Children) -> n.Return:
        return n.Return(c[0].pos, [c[1], *(c[2] if len(c) > 2 else ())])

    @staticmethod
    def return_values(c: Children) -> n.Return:
        return n.Return(c[0].pos, [None, *c[1]])

    @staticmethod
    def exit_(c: Children) -> n.Exit:
        return n.Exit(c[0].pos)

    @staticmethod
    def drop(c: Children) -> n.Drop:
        return n.Drop(c[0].pos)

    @staticmethod
    def xlog(c: Children) -> n.Xlog:
        return n.Xlog(c[0].pos, None, c[1])

    @staticmethod
    def xlog_level(c: Children) -> n.Xlog:
        return n.Xlog(c[0].pos, c[1], c[2])

    @staticmethod
    def xdbg(c: Children) -> n.Xdbg:
        return n.Xdbg(c[0].pos, c[1])

    @staticmethod
    def log(c: Children) -> n.Log:
        return n.Log(c[0].pos, None, c[1])

    @staticmethod
    def log_level(c: Children) -> n.Log:
        return n.Log(c[0].pos, c[1], c[2])

    @staticmethod
    def assert_(c: Children) -> n.Assert:
        return n.Assert(c[0].pos, c[1], c[2] if len(c) > 2 else None)

    @staticmethod
    def async_(c: Children) -> n.Async:
        return n.Async(c[0].pos, c[1], c[2], c[3] if len(c) > 3 else None)

    @staticmethod
    def launch(c: Children) -> n.Launch:
        return n.Launch(c[0].pos, c[1], c[2] if len(c) > 2 else None, c[3] if len(c) > 3 else None)

    @staticmethod
    def error(c: Children) -> n.ErrorStmt:
        return n.ErrorStmt(c[0].pos, c[1], c[2])

    # ------------------------------------------------------------------------------------------------ values, conditions

    def assign(self, c: Children) -> n.Assign:
        target = c[0]
        if target.spec.transformations:
            self.fail(target.pos, f"a transformation on the left of an assignment: {target.raw}", "assign to the variable itself")
        return n.Assign(target.pos, target, c[1].text, c[2])

    @staticmethod
    def arith(c: Children) -> n.Arith:
        return n.Arith(c[0].pos, c[1].text, c[0], c[2])

    @staticmethod
    def bitnot(c: Children) -> n.BitNot:
        return n.BitNot(c[0].pos, c[1])

    @staticmethod
    def and_(c: Children) -> n.And:
        return n.And(c[0].pos, c[0], c[2])

    @staticmethod
    def or_(c: Children) -> n.Or:
        return n.Or(c[0].pos, c[0], c[2])

    @staticmethod
    def not_(c: Children) -> n.Not:
        return n.Not(c[0].pos, c[1])

    @staticmethod
    def bracket(c: Children) -> n.Bracket:
        return n.Bracket(c[0].pos, c[1])

    def block_cond(self, c: Children) -> n.BlockCond:
        self.check_breaks(c[0].at)
        return n.BlockCond(c[0].pos, c[1] if isinstance(c[1], list) else [])

    @staticmethod
    def compare(c: Children) -> n.Compare:
        right = c[2]
        if isinstance(right, tuple):
            right = n.IpNet(right[1], right[0])
        return n.Compare(c[0].pos, c[1].text, c[0], right)

    # -------------------------------------------------------------------------------------------------------- operands

    def var(self, c: Children) -> n.Var:
        token = c[0]
        raw = token.text
        spec = self.specs.get(raw)
        if spec is None:
            spec = self.parse_var(raw, token.pos)
        return n.Var(token.pos, raw, spec)

    def parse_var(self, raw: str, pos: Pos) -> VarSpec:
        """The form of a variable; parsed once per spelling. What follows the name directly is stepped over, as OpenSIPS does."""
        text = raw
        if raw[-1] in "]\"'":
            text = _NAME_ONLY.match(raw)[0]  # type: ignore[index]
            more = f", write $({text[1:]}{raw[len(text):]})" if raw[-1] == "]" else ""
            self.warnings.append(n.ConfigWarning(pos, f"{raw[len(text):]} behind {text} has no effect{more}"))
        try:
            spec = parse_variable(text, pos)
        except ScriptSyntaxError as error:
            error.include_stack = self.stacks.get(pos.file, ())
            self.errors.append(error)
            return VarSpec("", raw)
        self.specs[raw] = spec
        return spec

    @staticmethod
    def null(c: Children) -> n.Null:
        return n.Null(c[0].pos)

    @staticmethod
    def string(c: Children) -> n.Const:
        token = c[0]
        return n.Const(token.pos, token.value, token.text[0])

    strings = string

    @staticmethod
    def more_strings(c: Children) -> n.Const:
        c[0].value += c[1].value
        return c[0]  # type: ignore[no-any-return]

    @staticmethod
    def number(c: Children) -> n.Const:
        return n.Const(c[0].pos, c[0].value)

    @staticmethod
    def signed(c: Children) -> n.Const:
        value = c[1].value
        return n.Const(c[0].pos, -value if c[0].type == "MINUS" and value != -0x80000000 else value)


def _port(value: object) -> int:
    """A port as the grammar gives it: a number, `any` (0 already) or nothing."""
    return value.value if isinstance(value, n.Const) and isinstance(value.value, int) else 0
