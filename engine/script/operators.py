"""The operators of the language, as compiled routes call them.

Conditions have four outcomes. "Stop" ends the route at once and is the compiler's business; the others are here:
True, False and FAILED (-1), which is neither: `!`, `&&` and `||` hand it on, `if` and `while` treat it as false (language
reference, section 9). Comparisons that can fail give one of the three, and the compiler asks with `is True`. Arithmetic has
values or raises ValueFault (section 10), which makes the assignment fail.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from engine.errors import ScriptError
from engine.script.posix_regex import compile_posix
from engine.script.values import NumberText, TextNumber, Value, number_of, text_of, wrap32

FAILED: Final = -1
"""Outcome of a comparison that cannot be made."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ValueFault(ScriptError):
    """An expression that has no value: text where a number is needed, texts that cannot be combined."""


class ArgumentFault(ScriptError):
    """An argument of a function that has no value of the kind the function takes."""


# ---------------------------------------------------------------------------------------------------------------- texts
_FOLD: Final = {upper: upper + 32 for upper in range(65, 91)}


def fold(text: str) -> str:
    """The text with A-Z in lower case, nothing else changed."""
    return text.lower() if text.isascii() else text.translate(_FOLD)


def same_text(value: Value, folded: str) -> bool:
    """VAR == "constant": folded is the constant through fold(). NULL is not equal to anything."""
    if not isinstance(value, str):
        text = text_of(value)
        return text is not None and fold(text) == folded
    if len(value) != len(folded):
        return False
    return (value.lower() if value.isascii() else value.translate(_FOLD)) == folded


def order_texts(op: str, left: str, right: str) -> bool:
    """`left op right` for < > <= >= == !=, ASCII case ignored, a prefix is smaller."""
    one, two = fold(left), fold(right)
    if op == "==":
        return one == two
    if op == "!=":
        return one != two
    if op == "<":
        return one < two
    if op == "<=":
        return one <= two
    if op == ">":
        return one > two
    return one >= two


def order_numbers(op: str, left: int, right: int) -> bool:
    """`left op right` for < > <= >= == !=."""
    if op == "==":
        return left == right
    if op == "!=":
        return left != right
    if op == "<":
        return left < right
    if op == "<=":
        return left <= right
    if op == ">":
        return left > right
    return left >= right


# ---------------------------------------------------------------------------------------------------------- comparisons
def place_of(namespace: dict[str, Any], file: str, line: int) -> tuple[str, int]:
    """The place in the script of a line of compiled code: routes may be put together from several files."""
    found: tuple[str, int] | None = namespace["PLACES"].get((file, line))
    return found if found is not None else (file, line)


class Operators:
    """The operators that log: what fails names the place of the statement. One per compiled script."""

    __slots__ = ("log",)

    def __init__(self, log: Any) -> None:
        self.log = log

    def _failed(self, op: str, left: Value, right: Value) -> int:
        frame = sys._getframe(2)
        file, line = place_of(frame.f_globals, frame.f_code.co_filename, frame.f_lineno)
        self.log.warning("cannot compare %s %s %s at %s:%d", _kind(left), op, _kind(right), file, line)
        return FAILED

    def calculate(self, op: str, left: Value, right: Value, right_has_text: bool) -> str | int:
        """arithmetic(), where a division by zero is logged and gives 0."""
        try:
            return arithmetic(op, left, right, right_has_text)
        except ZeroDivisionError:
            frame = sys._getframe(1)
            file, line = place_of(frame.f_globals, frame.f_code.co_filename, frame.f_lineno)
            self.log.error("division by zero at %s:%d", file, line)
            return 0

    def number(self, op: str, value: Value, constant: int) -> int:
        """VAR op NUMBER."""
        number = number_of(value)
        if number is not None:
            return order_numbers(op, number, constant)
        if value is None:
            return op == "!="
        return self._failed(op, value, constant)

    def text(self, op: str, value: Value, constant: str) -> int:
        """VAR op "text"."""
        text = text_of(value)
        if text is not None:
            return order_texts(op, text, constant)
        if value is None:
            return op == "!="
        return self._failed(op, value, constant)

    def values(self, op: str, left: Value, right: Value) -> int:
        """VAR op VAR, also for =~ and !~."""
        if left is None or right is None:
            if left is None and right is None:
                return op == "==" or op == "=~"
            return op == "!=" or op == "!~"
        if op == "=~" or op == "!~":
            return self._pattern(op, left, right)
        one, two = number_of(left), number_of(right)
        if one is not None and two is not None:
            return order_numbers(op, one, two)
        text, other = text_of(left), text_of(right)
        if text is not None and other is not None:
            return order_texts(op, text, other)
        return self._failed(op, left, right)

    def _pattern(self, op: str, left: Value, right: Value) -> int:
        text, pattern = text_of(left), text_of(right)
        if text is None or pattern is None:
            return self._failed(op, left, right)
        try:
            found = compile_posix(pattern).search(text) is not None
        except (ValueError, re.error):
            self.log.error("bad regular expression %r", pattern)
            return FAILED
        return found if op == "=~" else not found

    def net(self, op: str, value: Value, net: Network) -> int:
        """VAR == NET, VAR != NET: a text that is no address is neither in the net nor out of it, so both fail."""
        if value is None:
            return op == "!="
        text = text_of(value)
        if text is None:
            return self._failed(op, value, str(net))
        address = address_of(text)
        if address is None:
            return FAILED
        inside = address.version == net.version and address in net
        return inside if op == "==" else not inside


def _kind(value: Value) -> str:
    """What a value is, for error texts."""
    if value is None:
        return "NULL"
    return "a number" if isinstance(value, int) else "a text"


@lru_cache(maxsize=4096)
def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address a text is (IPv6 with or without brackets), or None."""
    try:
        return ipaddress.ip_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    except ValueError:
        return None


def matches(value: Value, search: Callable[[str], Any]) -> bool:
    """VAR =~ "constant"; search is the compiled expression's. NULL matches nothing."""
    if value.__class__ is str:
        return search(value) is not None
    text = text_of(value)
    return text is not None and search(text) is not None


# ----------------------------------------------------------------------------------------------------------- arithmetic
def calculate(op: str, left: int, right: int) -> int:
    """`left op right` as 32 bit signed numbers; ZeroDivisionError for / and % by 0."""
    if op == "+":
        return wrap32(left + right)
    if op == "-":
        return wrap32(left - right)
    if op == "*":
        return wrap32(left * right)
    if op == "/":
        quotient = abs(left) // abs(right)
        return wrap32(quotient if (left < 0) == (right < 0) else -quotient)
    if op == "%":
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    if op == "&":
        return left & right
    if op == "|":
        return left | right
    if op == "^":
        return left ^ right
    if op == "<<":
        return wrap32(left << (right & 31))
    return left >> (right & 31)


def arithmetic(op: str, left: Value, right: Value, right_has_text: bool) -> str | int:
    """`left op right` by the kind of the left side: number, or text and NULL.

    right_has_text: the right side is a variable or a text, so a number there has a text; constants and results have none.
    ValueFault when there is no result, ZeroDivisionError.
    """
    if isinstance(left, int):
        number = 0 if right is None else number_of(right)
        if number is None:
            raise ValueFault(f"{op} needs a number on its right side")
        return calculate(op, int(left), number)
    other = "" if right is None else text_of(right) if right_has_text or isinstance(right, str) else None
    if op == "+":
        if other is None:
            raise ValueFault("+ cannot append a number to a text")
        return (text_of(left) or "") + other
    text = text_of(left)
    if text is None or other is None or right is None:
        raise ValueFault(f"{op} needs a number on its left side")
    if len(text) != len(other):
        raise ValueFault(f"{op} needs texts of one length")
    if op == "&":
        return "".join([chr(ord(a) & ord(b)) for a, b in zip(text, other, strict=True)])
    if op == "|":
        return "".join([chr(ord(a) | ord(b)) for a, b in zip(text, other, strict=True)])
    if op == "^":
        return "".join([chr(ord(a) ^ ord(b)) for a, b in zip(text, other, strict=True)])
    raise ValueFault(f"{op} cannot combine texts")


def add(left: Value, right: Value) -> str | int:
    """`left + variable`, or `left + "text"`."""
    if left.__class__ is int and right.__class__ is int:
        total: int = left + right
        return total if -0x80000000 <= total <= 0x7FFFFFFF else wrap32(total)
    if left.__class__ is str and right.__class__ is str:
        return left + right
    return arithmetic("+", left, right, True)


def add_number(left: Value, number: int) -> str | int:
    """`left + 5`."""
    if left.__class__ is int:
        total: int = left + number
        return total if -0x80000000 <= total <= 0x7FFFFFFF else wrap32(total)
    return arithmetic("+", left, number, False)


def subtract_number(left: Value, number: int) -> str | int:
    """`left - 5`."""
    if left.__class__ is int:
        return wrap32(left - number)
    return arithmetic("-", left, number, False)


def without_text(value: Value) -> Value:
    """The result of an expression for a variable that refuses numbers without a text."""
    return NumberText(value, None) if value.__class__ is int else value


def invert(value: Value) -> int:
    """`~value`."""
    number = number_of(value)
    if number is None:
        raise ValueFault("~ needs a number")
    return ~number


def combine(op: str, left: Value, right: Value) -> str | int:
    """`left op= right`: two numbers, or `+=` of two texts. ValueFault for NULL and mixtures."""
    if left.__class__ is int and right.__class__ is int and op == "+":
        total: int = left + right
        return total if -0x80000000 <= total <= 0x7FFFFFFF else wrap32(total)
    if left is None or right is None:
        raise ValueFault(f"NULL in {op}=")
    if isinstance(left, str) and isinstance(right, str):
        if op != "+":
            raise ValueFault(f"{op}= cannot combine texts")
        return str.__str__(left) + str.__str__(right)
    one, two = number_of(left), number_of(right)
    if one is None or two is None:
        raise ValueFault(f"{op}= cannot combine a number and a text")
    try:
        return calculate(op, one, two)
    except ZeroDivisionError:
        raise ValueFault("division by zero") from None


def outcome_value(outcome: int) -> int:
    """A comparison as the whole value of an assignment: 1 or 0; ValueFault when it failed."""
    if outcome is True:
        return 1
    if outcome is False:
        return 0
    raise ValueFault("the comparison failed")


def bracket_truth(value: Value) -> bool:
    """`[ variable ]`: everything but NULL, and a number without a text when it is 0."""
    return value is not None and (text_of(value) is not None or value != 0)


# ------------------------------------------------------------------------------------------------------------ arguments
def text_argument(value: Value) -> str:
    """A variable given for a text parameter."""
    text = text_of(value)
    if text is None:
        raise ArgumentFault("an argument has no text")
    return text


def number_argument(value: Value) -> int:
    """A variable given for a number parameter."""
    number = number_of(value)
    if number is None:
        raise ArgumentFault("an argument is no number")
    return number


def pattern_argument(value: Value) -> re.Pattern[str]:
    """A variable given for a regular expression."""
    try:
        return compile_posix(text_argument(value))
    except ValueError as error:
        raise ArgumentFault(f"bad regular expression: {error}") from None


def too_long(text: str) -> str:
    """A formatted argument longer than pv_print_buf_size."""
    raise ArgumentFault(f"a formatted argument has {len(text)} bytes, pv_print_buf_size is too small")


# --------------------------------------------------------------------------------------------------------------- others
def return_code(value: Value) -> int:
    """The code of `return(variable)`: its number; NULL -1, a text alone 1."""
    if value is None:
        return -1
    number = number_of(value)
    return 1 if number is None else number


def returned_value(value: Value) -> Value:
    """A further value of return(): a number can be compared but counts as a text in arithmetic."""
    if isinstance(value, int):
        text = text_of(value)
        return TextNumber(text if text is not None else str(int(value)), int(value))
    return value


def case_number(value: Value, label: int) -> bool:
    """`case 5:`"""
    return number_of(value) == label
