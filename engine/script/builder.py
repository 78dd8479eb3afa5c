"""From reductions of the grammar to nodes: one method per alternative of grammar.lark, called while the parser runs.

Each method gets the values of its rule in order (tokens in quotes in the grammar are left out). What the grammar cannot say, such
as `break` only inside a loop, is judged here; errors are collected and reading goes on.
"""

from __future__ import annotations

import re
from typing import Any, Final

from engine.errors import ScriptSyntaxError
from engine.script import nodes as n
from engine.script.definition_builder import Children, DefinitionBuilder
from engine.script.nodes import Pos
from engine.script.tokens import Token
from engine.script.varspec import VarSpec, parse_variable

ITERATORS: Final = frozenset({"var", "avp", "json"})
ROUTE_KINDS: Final = {
    "route": "request", "failure_route": "failure", "branch_route": "branch", "onreply_route": "onreply", "error_route": "error",
    "local_route": "local", "startup_route": "startup", "timer_route": "timer", "event_route": "event",
}
MAX_ARGUMENTS: Final = 8
_NAME_ONLY: Final = re.compile(r"\$[A-Za-z0-9_.]*")


class Builder(DefinitionBuilder):
    """Makes the nodes of one script."""

    def __init__(self, stacks: dict[str, tuple[tuple[str, int], ...]]) -> None:
        super().__init__(stacks)
        self.breaks: list[Token] = []
        self.routes: set[tuple[str, str]] = set()
        self.specs: dict[str, VarSpec] = {}

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
        name, args, end = c
        if len(args) == 1 and args[0] is None:
            args = []
        if len(args) > MAX_ARGUMENTS:
            self.fail(name.pos, f"too many arguments in {name.text}(): {len(args)}", f"a function takes {MAX_ARGUMENTS} at most")
        return n.Call(name.pos, name.text, args, end.pos.line)

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
        return n.Xlog(c[0].pos, None, c[1], c[2].pos.line)

    @staticmethod
    def xlog_level(c: Children) -> n.Xlog:
        return n.Xlog(c[0].pos, c[1], c[2], c[3].pos.line)

    @staticmethod
    def xdbg(c: Children) -> n.Xdbg:
        return n.Xdbg(c[0].pos, c[1], c[2].pos.line)

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
