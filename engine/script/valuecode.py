"""Values: right sides of assignments, arithmetic, arguments of route() and return(), to Python expressions.

A value that does not exist (text where a number is needed) raises ValueFault when it is computed; the statement catches it.
Commands used as values (`$var(x) = is_method("INVITE")`) are written before the expression, operands before them with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import ConfigError, ScriptError
from engine.script import nodes
from engine.script.operators import arithmetic, invert
from engine.script.unit import Unit, error_at

if TYPE_CHECKING:
    from engine.script.conditions import Conditions
    from engine.script.statements import Statements


_MAX: Final = 0x7FFFFFFF
_MIN: Final = -0x80000000


class Values:
    """Writes the values of a unit's routes."""

    __slots__ = ("unit", "conditions", "statements")

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.conditions: Conditions
        self.statements: Statements

    def value(self, node: nodes.Value) -> str:
        """The expression of a whole value."""
        if isinstance(node, nodes.Compare):
            found = self.conditions.compare(node)
            return f"outcome_value({found.code})" if found.tri else f"int({found.code})"
        return self._operand(node)

    def _operand(self, node: nodes.Value) -> str:
        if isinstance(node, nodes.Const):
            return repr(node.value)
        if isinstance(node, nodes.Var):
            return self.unit.read(node.spec, node.pos)
        if isinstance(node, nodes.Compare):
            return f"int({self.conditions.compare(node).code})"  # a failed comparison counts as -1 in arithmetic
        if isinstance(node, nodes.BitNot):
            if _is_constant(node):
                try:
                    return repr(self._constant(node))
                except ConfigError:
                    pass
            return f"invert({self._operand(node.operand)})"
        if isinstance(node, nodes.Arith):
            return self._arith(node)
        self.statements.command(node)
        name = self.unit.writer.temp()
        self.unit.writer.line(f"{name} = rc")
        return name

    def _arith(self, node: nodes.Arith) -> str:
        if _is_constant(node):
            try:
                return repr(self._constant(node))
            except ConfigError:
                pass  # it fails when it runs, as every time before
        left = self._operand(node.left)
        if has_command(node.right) and not left.isidentifier():
            name = self.unit.writer.temp()
            self.unit.writer.line(f"{name} = {left}")
            left = name
        right = self._operand(node.right)
        right_has_text = isinstance(node.right, nodes.Var) or (
            isinstance(node.right, nodes.Const) and isinstance(node.right.value, str)
        )
        if isinstance(node.right, nodes.Const):
            return with_constant(node.op, left, node.right.value, f"calculate({node.op!r}, x, {right}, {right_has_text})")
        if node.op == "+":
            return f"add({left}, {right})" if right_has_text else f"calculate('+', {left}, {right}, False)"
        return f"calculate({node.op!r}, {left}, {right}, {right_has_text})"

    def _constant(self, node: nodes.Value) -> int | str:
        """The value of an expression of constants; ConfigError when there is none."""
        if isinstance(node, nodes.Const):
            return node.value
        try:
            if isinstance(node, nodes.BitNot):
                return invert(self._constant(node.operand))
            assert isinstance(node, nodes.Arith)
            right_has_text = isinstance(node.right, nodes.Const) and isinstance(node.right.value, str)
            return arithmetic(node.op, self._constant(node.left), self._constant(node.right), right_has_text)
        except (ScriptError, ZeroDivisionError) as error:
            raise error_at(ConfigError(str(error)), node.pos) from None

    def assigned(self, node: nodes.Value | nodes.Null, text_only: bool) -> str:
        """The expression for the right side of `=`; text_only: the variable refuses numbers that have no text."""
        if isinstance(node, nodes.Null):
            return "None"
        code = self.value(node)
        if text_only and not isinstance(node, nodes.Var) and not (isinstance(node, nodes.Const) and isinstance(node.value, str)):
            return f"without_text({code})"
        return code

    def fixed(self, node: nodes.Const | nodes.Var | nodes.Null) -> str:
        """An argument of route() or a value of return(): strings are no formats."""
        if isinstance(node, nodes.Null):
            return "None"
        if isinstance(node, nodes.Const):
            return repr(node.value)
        return self.unit.read(node.spec, node.pos)


def with_constant(op: str, left: str, constant: int | str, otherwise: str) -> str:
    """`left op constant`: the usual case in place, everything else (other kinds, overflow) by the call `otherwise` on x.

    Sums and products are checked against the bounds of 32 bits before they are made; division is that of numbers not below 0.
    """
    if isinstance(constant, str):
        if op != "+":
            return _called(left, otherwise)
        return f"(x + {constant!r} if (x := {left}).__class__ is str else {otherwise})"
    if op == "-":
        op, constant = "+", -constant
    if op == "+":
        bound = f"x <= {_MAX - constant}" if constant >= 0 else f"x >= {_MIN - constant}"
        made = f"x + {constant}" if constant >= 0 else f"x - {-constant}"
    elif op == "*" and constant != 0:
        limit = _MAX // abs(constant)
        bound, made = f"-{limit} <= x <= {limit}", f"x * {constant}"
    elif op in ("/", "%") and constant > 0:
        bound, made = "x >= 0", f"x {'//' if op == '/' else '%'} {constant}"
    elif op in ("&", "|", "^"):
        return f"(x {op} {constant} if (x := {left}).__class__ is int else {otherwise})"
    elif op == ">>":
        return f"(x >> {constant & 31} if (x := {left}).__class__ is int else {otherwise})"
    else:
        return _called(left, otherwise)
    return f"({made} if (x := {left}).__class__ is int and {bound} else {otherwise})"


def _called(left: str, otherwise: str) -> str:
    """The call with the left side in the place of x."""
    head, _, tail = otherwise.partition("x")
    return f"{head}{left}{tail}"


def has_command(node: nodes.Value) -> bool:
    """Something has to be written before the value."""
    if isinstance(node, nodes.Arith):
        return has_command(node.left) or has_command(node.right)
    if isinstance(node, nodes.BitNot):
        return has_command(node.operand)
    return not isinstance(node, nodes.Const | nodes.Var | nodes.Compare)


def _is_constant(node: nodes.Value) -> bool:
    if isinstance(node, nodes.Arith):
        return _is_constant(node.left) and _is_constant(node.right)
    if isinstance(node, nodes.BitNot):
        return _is_constant(node.operand)
    return isinstance(node, nodes.Const)
