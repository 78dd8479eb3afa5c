"""The little languages in the parameters of avpops: "$avp(name)/flags", "operator/value/flags", "source/destination/flags"."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from typing import Any, Final

from engine.errors import ConfigError
from engine.module import Context, ScriptError, Value, text_of
from engine.script.posix_regex import compile_posix
from engine.script.variables.binder import Binder
from modules.shared.sql.avps import AvpRef, parse_avp

COMPARISONS: Final = ("eq", "ne", "lt", "le", "gt", "ge", "re", "fm", "and", "or", "xor")
OPERATIONS: Final = ("add", "sub", "mul", "div", "mod", "and", "or", "xor", "not")


def flags_of(text: str, allowed: str) -> frozenset[str]:
    """Letters behind a slash, in lower case. ConfigError: one that is not allowed."""
    found = frozenset(text.lower())
    if found - frozenset(allowed):
        raise ConfigError(f"bad flag <{'/'.join(sorted(found - frozenset(allowed)))}>", hint=f"there are {', '.join(allowed)}")
    return found


def fix_value(text: str) -> int | str:
    """i:5, i:0x1f, s:text or text. ConfigError: no number where one is promised."""
    if text[1:2] != ":":
        return text
    kind, content = text[0].lower(), text[2:]
    if kind == "s":
        return content
    if kind != "i":
        raise ConfigError(f"unknown value type <{text[0]}>, there are i: and s:")
    try:
        return int(content, 16 if content[:2].lower() == "0x" else 10)
    except ValueError:
        raise ConfigError(f"value is not int as type says <{content}>") from None


class Operand:
    """A constant, a variable, or an AVP with all its values."""

    __slots__ = ("constant", "avp", "get")

    def __init__(self, constant: int | str | None, avp: AvpRef | None, get: Callable[[Context], Value] | None) -> None:
        self.constant = constant
        self.avp = avp
        self.get = get

    def values(self, ctx: Context) -> list[int | str]:
        """The values, the newest first; none when there is nothing. Raises ScriptError: NULL."""
        if self.constant is not None:
            return [self.constant]
        if self.avp is not None:
            return [plain(value) for value in self.avp.values(ctx)]
        assert self.get is not None
        value = self.get(ctx)
        if value is None:
            raise ScriptError("a value is NULL")
        return [plain(value)]


def plain(value: Value) -> int | str:
    """A value that is not NULL as a number or as a text."""
    return value if value.__class__ in (int, str) else (text_of(value) or "") if isinstance(value, str) else int(value or 0)


def variable_operand(binder: Binder, text: str) -> Operand:
    """A variable, or an AVP."""
    if re.match(r"\$\(?avp\(", text):
        return Operand(None, parse_avp(binder, text), None)
    return Operand(None, None, binder.bind_text(text).get)


def _parts(text: str) -> tuple[str, str, str]:
    """operator, value, flags."""
    operator, slash, rest = text.partition("/")
    value, _, flags = rest.partition("/")
    if not slash or not value:
        raise ConfigError(f"bad operation {text!r}, it looks like operator/value/flags")
    return operator.lower(), value, flags


class Check:
    """What avp_check() asks of a value."""

    __slots__ = ("operator", "operand", "every", "ignore_case", "pattern")

    def __init__(self, binder: Binder, text: str) -> None:
        self.operator, value, flags = _parts(text)
        if self.operator not in COMPARISONS:
            raise ConfigError(f"unknown operation <{self.operator}>", hint=f"there are {', '.join(COMPARISONS)}")
        letters = flags_of(flags, "gi")
        self.every = "g" in letters
        self.ignore_case = "i" in letters
        self.pattern: re.Pattern[str] | None = None
        if value.startswith("$"):
            if self.operator == "re":
                raise ConfigError("regexp operation requires string value")
            self.operand = variable_operand(binder, value)
            return
        self.operand = Operand(fix_value(value), None, None)
        if self.operator in ("re", "fm") and not isinstance(self.operand.constant, str):
            raise ConfigError(f"{self.operator} requires a string value")
        if self.operator == "re":
            try:
                self.pattern = compile_posix(str(self.operand.constant))
            except ValueError as error:
                raise ConfigError(f"bad re <{value}>: {error}") from None

    def holds(self, left: int | str, right: int | str) -> bool:
        """One value against another; of different kinds: no."""
        if isinstance(left, int) and isinstance(right, int):
            return self._numbers(left, right)
        if isinstance(left, str) and isinstance(right, str):
            return self._texts(left, right)
        return False

    def _numbers(self, left: int, right: int) -> bool:
        operator = self.operator
        if operator in ("and", "or", "xor"):
            return bool(left & right if operator == "and" else left | right if operator == "or" else left ^ right)
        return _ordered(operator, (left > right) - (left < right))

    def _texts(self, left: str, right: str) -> bool:
        operator = self.operator
        if self.pattern is not None:
            return self.pattern.search(left) is not None
        if operator == "fm":
            return re.match(translate(right), left, re.IGNORECASE if self.ignore_case else 0) is not None
        if operator in ("and", "or", "xor"):
            return False
        if operator in ("eq", "ne") and not self.ignore_case:
            return (left == right) is (operator == "eq")
        low, high = left.lower(), right.lower()
        return _ordered(operator, (low > high) - (low < high))


def _ordered(operator: str, order: int) -> bool:
    """Whether a comparison holds for -1, 0 or 1."""
    if operator == "eq":
        return order == 0
    if operator == "ne":
        return order != 0
    if operator == "lt":
        return order < 0
    if operator == "le":
        return order <= 0
    return order > 0 if operator == "gt" else order >= 0


class Operation:
    """What avp_op() does to a number."""

    __slots__ = ("operator", "operand", "delete")

    def __init__(self, binder: Binder, text: str) -> None:
        self.operator, value, flags = _parts(text)
        if self.operator not in OPERATIONS:
            raise ConfigError(f"unknown operation <{self.operator}>", hint=f"there are {', '.join(OPERATIONS)}")
        self.delete = "d" in flags_of(flags, "gd")
        if value.startswith("$"):
            self.operand = variable_operand(binder, value)
            return
        constant = fix_value(value)
        if isinstance(constant, str):
            try:
                constant = int(constant)
            except ValueError:
                raise ConfigError(f"{value!r} is no number") from None
        self.operand = Operand(constant, None, None)

    def result(self, left: int, right: int) -> int:
        """The result; division by 0 gives 0."""
        operator = self.operator
        if operator in ("div", "mod"):
            if not right:
                return 0
            quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
            return quotient if operator == "div" else left - quotient * right
        if operator == "not":
            return ~right
        table: dict[str, Callable[[int, int], int]] = {
            "add": int.__add__, "sub": int.__sub__, "mul": int.__mul__, "and": int.__and__, "or": int.__or__, "xor": int.__xor__,
        }
        return table[operator](left, right)


class AvpAndFlags:
    """"$avp(name)/flags", or what else may stand in the place of the AVP."""

    __slots__ = ("avp", "flags")

    def __init__(self, avp: AvpRef, flags: frozenset[str]) -> None:
        self.avp = avp
        self.flags = flags


def avp_and_flags(binder: Binder, text: str, allowed: str) -> AvpAndFlags:
    """An AVP with flags behind a slash."""
    which, _, flags = text.partition("/")
    return AvpAndFlags(parse_avp(binder, which), flags_of(flags, allowed))


class Route:
    """From one AVP to another: "$avp(a)/$avp(b)/flags"."""

    __slots__ = ("source", "target", "flags")

    def __init__(self, source: AvpRef, target: AvpRef | None, flags: frozenset[str]) -> None:
        self.source = source
        self.target = target
        """None: the source itself."""
        self.flags = flags


def avp_route(binder: Binder, text: str, allowed: str) -> Route:
    """Source, perhaps a destination, perhaps flags."""
    pieces = text.split("/")
    source = parse_avp(binder, pieces[0])
    target: Any = None
    rest = pieces[1:]
    if rest and rest[0].startswith("$"):
        target = parse_avp(binder, rest.pop(0))
    elif rest and not rest[0] and len(rest) > 1:
        rest.pop(0)
    if len(rest) > 1:
        raise ConfigError(f"bad parameter {text!r}, it looks like $avp(a)/$avp(b)/flags")
    return Route(source, target, flags_of(rest[0] if rest else "", allowed))
