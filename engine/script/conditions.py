"""Conditions: nodes to Python tests.

test() writes what must happen first (calls, assignments) and gives the expression that tells the outcome. Most expressions
are plainly true or false. Comparisons of a variable with something of another kind may fail, which is a third outcome: it
counts as false, stays what it is under `!`, and ends `||` (language reference, section 9). The third outcome is carried
(Test.tri: the expression gives True, False or -1) only where somebody above can tell it from false.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import ConfigError
from engine.script import nodes
from engine.script.operators import fold
from engine.script.posix_regex import compile_posix
from engine.script.unit import Unit, error_at

if TYPE_CHECKING:
    from engine.script.statements import Statements
    from engine.script.valuecode import Values


class Test(NamedTuple):
    """A condition as a Python expression."""

    code: str
    tri: bool = False
    """The expression gives exactly True, False or -1 (failed), and is one operand; otherwise anything true or false."""
    joint: str = ""
    """The operator that holds the expression together, `and` or `or`; empty when it needs no parentheses as an operand."""


_PURE = (nodes.Const, nodes.Var, nodes.Compare)

# Variables that are numbers or NULL, whatever happens, though their getters cannot say so.
_NUMBERS = frozenset(("rc", "retcode"))
_NUMBER_RESULTS = frozenset((
    ("s", "len"), ("s", "int"), ("csv", "count"), ("param", "count"), ("ip", "isip"), ("ip", "isip4"), ("ip", "isip6"),
    ("ip", "isprivate"), ("param", "exist"), ("param", "exists"), ("s", "index"), ("s", "rindex"),
))


class Conditions:
    """Writes the conditions of a unit's routes."""

    __slots__ = ("unit", "values", "statements")

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.values: Values
        self.statements: Statements

    # ------------------------------------------------------------------------------------------------------ whole ones
    def plain(self, node: nodes.Cond) -> str:
        """The expression of a condition of which only true or not true matters: if, while, assert."""
        return self.test(node, False).code

    def test(self, node: nodes.Cond, keep: bool) -> Test:
        """A condition; keep: a failed comparison must be told from a false one."""
        if isinstance(node, nodes.And | nodes.Or):
            return self._chain(node, keep)
        if isinstance(node, nodes.Not):
            if isinstance(node.operand, nodes.Var):
                return Test(f"not {self.unit.read(node.operand.spec, node.operand.pos)}")
            return self._negated(self.test(node.operand, True), keep)
        if isinstance(node, nodes.Compare):
            return self._settle(self.compare(node), keep)
        if isinstance(node, nodes.Bracket):
            return self._settle(self._bracket(node), keep)
        if isinstance(node, nodes.Var):
            code = self.unit.read(node.spec, node.pos)
            return Test(f"bool({code})") if keep else Test(code)
        if isinstance(node, nodes.Const):
            if isinstance(node.value, str):
                raise error_at(ConfigError("a string is no condition", hint="compare it with a variable"), node.pos)
            return Test("True" if node.value else "False")
        if isinstance(node, nodes.BlockCond):
            if not node.body:
                return Test("False")
            self.statements.body(node.body, need_rc=True)
            return Test("rc > 0")
        self.statements.command(node)
        return Test("rc > 0")

    @staticmethod
    def _settle(found: Test, keep: bool) -> Test:
        """Drop the third outcome where nobody asks for it."""
        if keep or not found.tri:
            return found
        return Test(f"{found.code} is True")

    def _negated(self, inner: Test, keep: bool) -> Test:
        if inner.tri:
            if not keep:
                return Test(f"{inner.code} is False")
            name = self.unit.writer.temp()
            return Test(f"(not {name} if ({name} := {inner.code}) != -1 else -1)", True)
        if inner.code == "rc > 0":
            return Test("rc < 0")
        return Test(f"not {_grouped(inner)}")

    # ----------------------------------------------------------------------------------------------------------- chains
    def _chain(self, node: nodes.And | nodes.Or, keep: bool) -> Test:
        """`a && b || c ...`, grouped from the left."""
        parts: list[tuple[str, nodes.Cond]] = []
        first: nodes.Cond = node
        while isinstance(first, nodes.And | nodes.Or):
            parts.append(("or" if isinstance(first, nodes.Or) else "and", first.right))
            first = first.left
        parts.reverse()
        # A failure of a part differs from false only for an `||` behind it (and for whoever asked).
        found = self.test(first, keep or any(op == "or" for op, _ in parts))
        for place, (op, right) in enumerate(parts):
            keep_right = keep or found.tri or any(later == "or" for later, _ in parts[place + 1 :])
            if is_pure(right):
                found = self._join(found, op, self.test(right, keep_right))
            else:
                found = self._branch(found, op, right, keep_right)
        return self._settle(found, keep)

    def _join(self, left: Test, op: str, right: Test) -> Test:
        """Two operands in one expression."""
        if left.tri and op == "and":
            name = self.unit.writer.temp()
            return Test(f"({right.code} if ({name} := {left.code}) is True else {name})", True)
        # -1 is true to Python, so a failed left side ends an `or` by itself.
        one = f"({left.code})" if left.joint == "or" and op == "and" else left.code
        two = f"({right.code})" if right.joint else right.code
        if left.tri or right.tri:
            return Test(f"({one} {op} {two})", True)
        return Test(f"{one} {op} {two}", False, op)

    def _branch(self, left: Test, op: str, right: nodes.Cond, keep_right: bool) -> Test:
        """An operand that has to do things first: they are done only when it is reached."""
        writer = self.unit.writer
        name = writer.temp()
        writer.line(f"{name} = {left.code}")
        if op == "or":
            head = f"if not {name}:"
        else:
            head = f"if {name} is True:" if left.tri else f"if {name}:"
        with writer.block(head):
            part = self.test(right, keep_right)
            writer.line(f"{name} = {part.code}")
        return Test(name, left.tri or part.tri)

    # ------------------------------------------------------------------------------------------------------ comparisons
    def compare(self, node: nodes.Compare) -> Test:
        """A comparison."""
        left = self.unit.read(node.left.spec, node.left.pos)
        right = node.right
        if isinstance(right, nodes.Null):
            return Test(f"{left} {'is' if node.op == '==' else 'is not'} None")
        if isinstance(right, nodes.Var):
            other = self.unit.read(right.spec, right.pos)
            return Test(f"compare({node.op!r}, {left}, {other})", True)
        if isinstance(right, nodes.IpNet):
            try:
                net = ipaddress.ip_network(right.text, strict=False)
            except ValueError as error:
                raise error_at(ConfigError(f"bad address {right.text}: {error}"), right.pos) from None
            return Test(f"compare_net({node.op!r}, {left}, {self.unit.names.name('net', net, right.text)})", True)
        if isinstance(right.value, int):
            return self._compare_number(node, left, right.value)
        return self._compare_text(node, left, right)

    def _compare_number(self, node: nodes.Compare, left: str, number: int) -> Test:
        op = node.op
        if op not in ("==", "!=", "<", ">", "<=", ">="):
            raise error_at(ConfigError(f"{op} needs an expression in quotes, not a number"), node.pos)
        if self._is_number(node.left):
            if op in ("==", "!="):
                return Test(f"{left} {op} {number}")
            return Test(f"((x := {left}) is not None and x {op} {number})")
        return Test(f"(x {op} {number} if (x := {left}).__class__ is int else compare_number({op!r}, x, {number}))", True)

    def _is_number(self, node: nodes.Var) -> bool:
        """The variable is a number or NULL, never a text."""
        spec = node.spec
        if spec.transformations:
            last = spec.transformations[-1]
            return (last.cls, last.func) in _NUMBER_RESULTS
        if spec.context or spec.index is not None:
            return False
        if spec.name in _NUMBERS:
            return True
        entry = self.unit.registry.pvars.get(spec.name)
        if entry is None:
            return False
        given = str(getattr(entry[1].get, "__annotations__", {}).get("return", ""))
        return given in ("int", "int | None", "<class 'int'>")

    def _compare_text(self, node: nodes.Compare, left: str, right: nodes.Const) -> Test:
        op, text = node.op, str(right.value)
        if op in ("=~", "!~"):
            try:
                search = compile_posix(text).search
            except ValueError as error:
                raise error_at(ConfigError(f"bad regular expression {text!r}: {error}"), right.pos) from None
            name = self.unit.names.name("rx", search)
            return Test(f"{'' if op == '=~' else 'not '}matches({left}, {name})")
        folded = fold(text)
        same = f"x == {text!r}"
        if text.isascii() and text != text.swapcase():
            # Lower case of ASCII letters is theirs alone among the characters of a message (latin-1).
            same = f"(x == {text!r} or len(x) == {len(text)} and x.lower() == {folded!r})"
        elif not text.isascii():
            same = f"(x == {text!r} or same_text(x, {folded!r}))"
        if op == "==":
            other = f"x == {text!r} or x is not None and same_text(x, {folded!r})"
            return Test(f"({same} if (x := {left}).__class__ is str else {other})")
        if op == "!=":
            return Test(f"(not {same} if (x := {left}).__class__ is str else x is None or not same_text(x, {folded!r}))")
        return Test(f"compare_text({op!r}, {left}, {text!r})", True)

    # ---------------------------------------------------------------------------------------------------------- brackets
    def _bracket(self, node: nodes.Bracket) -> Test:
        """`[ value ]`."""
        value = node.value
        if isinstance(value, nodes.Const):
            return Test("True" if value.value else "False")
        if isinstance(value, nodes.Var):
            return Test(f"bracket_truth({self.unit.read(value.spec, value.pos)})")
        if isinstance(value, nodes.Compare):
            return self.compare(value)
        if isinstance(value, nodes.Arith | nodes.BitNot):
            writer = self.unit.writer
            name = writer.temp()
            with writer.block("try:"):
                code = self.values.value(value)
                writer.line(f"{name} = {code}")
                writer.line(f"{name} = {name}.__class__ is not int or {name} != 0")
            with writer.block("except Exception as e:"):
                writer.line("fault(ctx, e)")
                writer.line(f"{name} = False")
            return Test(name)
        self.statements.command(value)
        return Test("rc > 0")


def is_pure(node: nodes.Cond) -> bool:
    """The condition is one expression: nothing has to be written before it."""
    while isinstance(node, nodes.Not):
        node = node.operand
    if isinstance(node, nodes.And | nodes.Or):
        return is_pure(node.left) and is_pure(node.right)
    if isinstance(node, nodes.Bracket):
        return isinstance(node.value, nodes.Const | nodes.Var | nodes.Compare)
    return isinstance(node, _PURE)


def _grouped(test: Test) -> str:
    """The expression as an operand of `not`."""
    return f"({test.code})" if test.joint else test.code
