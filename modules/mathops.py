"""mathops: arithmetic with real numbers, in ordinary and in reverse Polish notation.

Manual: OpenSIPS 3.6, module mathops. Numbers come and go as texts, because the script's own are integers; results have
decimal_digits digits behind the point. Ordinary expressions: sums of products of powers of signed numbers, parentheses and
one-argument functions; powers associate to the left and a sign binds tighter than they do, so -2^2 is 4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final

from engine.module import ALL_ROUTES, Context, Module, ScriptError, Var, function, modparam
from modules.shared.output import put

_NUMBER: Final = re.compile(r"(?:0[xX][0-9a-fA-F]+|[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)")
_LEADING: Final = re.compile(rf"\s*([+-]?)({_NUMBER.pattern}|inf(?:inity)?|nan)", re.IGNORECASE)
_TOKEN: Final = re.compile(rf"\s*(?:({_NUMBER.pattern})|([a-z]+)|([-+*/^%()])|(\S))")
_SIGNED: Final = re.compile(rf"-?{_NUMBER.pattern}")
_MAX_DEPTH: Final = 100
_MAX_STACK: Final = 32


def _value(text: str) -> float:
    if text[:2].lower() == "0x":
        return float(int(text, 16))
    return float(text)


def leading_number(text: str) -> float:
    """The number a text begins with, 0 when it begins with none (strtod)."""
    found = _LEADING.match(text)
    if found is None:
        return 0.0
    return -_value(found[2]) if found[1] == "-" else _value(found[2])


# ---------------------------------------------------------------- arithmetic that never raises, as in C


def _safe(call: Callable[..., float]) -> Callable[..., float]:
    """Outside its domain a function is not a number, and too large is infinite."""

    def checked(*args: float) -> float:
        try:
            return float(call(*args))
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return checked


def _divide(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if not a or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except ValueError:
        return math.inf if a == 0.0 else math.nan
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf


def _logarithm(call: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: -math.inf if x == 0.0 else call(x) if x > 0 else math.nan


def _whole(call: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: float(call(x)) if math.isfinite(x) else x


def _round(x: float) -> float:
    """Ties go away from zero."""
    whole = math.trunc(x)
    return float(whole + math.copysign(1, x)) if abs(x - whole) >= 0.5 else float(whole)


def _sinh(x: float) -> float:
    return math.copysign(math.inf, x) if abs(x) > 710 else math.sinh(x)


_LN: Final = _logarithm(math.log)
_LOG10: Final = _logarithm(math.log10)
_FUNCTIONS: Final[dict[str, Callable[[float], float]]] = {
    "abs": abs, "acos": _safe(math.acos), "asin": _safe(math.asin), "atan": math.atan, "ceil": _whole(math.ceil),
    "cos": _safe(math.cos), "cosh": _safe(math.cosh), "exp": _safe(math.exp), "floor": _whole(math.floor), "ln": _LN,
    "log": _LOG10, "sin": _safe(math.sin), "sinh": _sinh, "sqrt": _safe(math.sqrt), "tan": _safe(math.tan), "tanh": math.tanh,
}
_BINARY: Final[dict[str, Callable[[float, float], float]]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": _divide, "^": _power, "%": _safe(math.fmod),
}
_RPN_BINARY: Final[dict[str, Callable[[float, float], float]]] = {
    "+": _BINARY["+"], "-": _BINARY["-"], "*": _BINARY["*"], "/": _divide, "mod": _safe(math.fmod), "pow": _power,
}
_RPN_UNARY: Final[dict[str, Callable[[float], float]]] = {
    "neg": lambda x: -x, "exp": _FUNCTIONS["exp"], "ln": _LN, "log10": _LOG10, "log": _LOG10, "abs": abs,
    "sqrt": _FUNCTIONS["sqrt"], "cbrt": math.cbrt, "floor": _FUNCTIONS["floor"], "ceil": _FUNCTIONS["ceil"],
    "round": _whole(_round), "nearbyint": _whole(round), "trunc": _whole(math.trunc),
}


# ---------------------------------------------------------------- ordinary notation


class _Expression:
    """One evaluation: recursive descent over the tokens. Raises ValueError for a broken text."""

    __slots__ = ("at", "depth", "tokens")

    def __init__(self, text: str) -> None:
        self.tokens: list[str | float] = []
        self.at = 0
        self.depth = 0
        end = 0
        text = text.rstrip()
        while end < len(text):
            found = _TOKEN.match(text, end)
            assert found is not None
            end = found.end()
            number, name, sign, other = found.groups()
            if other is not None or (name is not None and name not in _FUNCTIONS):
                raise ValueError(f"unknown {other or name!r}")
            self.tokens.append(_value(number) if number is not None else name or sign)
        self.tokens.append("")

    def run(self) -> float:
        value = self.sum()
        if self.tokens[self.at] != "":
            raise ValueError(f"unexpected {self.tokens[self.at]!r}")
        return value

    def sum(self) -> float:
        value = self.product()
        while (sign := self.tokens[self.at]) in ("+", "-"):
            self.at += 1
            value = _BINARY[str(sign)](value, self.product())
        return value

    def product(self) -> float:
        value = self.powers()
        while (sign := self.tokens[self.at]) in ("*", "/", "%"):
            self.at += 1
            value = _BINARY[str(sign)](value, self.powers())
        return value

    def powers(self) -> float:
        value = self.signed()
        while self.tokens[self.at] == "^":
            self.at += 1
            value = _power(value, self.signed())
        return value

    def signed(self) -> float:
        negative = False
        while (sign := self.tokens[self.at]) in ("+", "-"):
            negative ^= sign == "-"
            self.at += 1
        value = self.base()
        return -value if negative else value

    def base(self) -> float:
        token = self.tokens[self.at]
        self.at += 1
        if isinstance(token, float):
            return token
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ValueError("nested too deep")
        if token == "(":
            value = self.sum()
            if self.tokens[self.at] != ")":
                raise ValueError("a parenthesis is not closed")
            self.at += 1
        elif token in _FUNCTIONS:
            value = _FUNCTIONS[token](self.signed())
        else:
            raise ValueError(f"unexpected {token or 'end'!r}")
        self.depth -= 1
        return value


def evaluate(text: str) -> float:
    """The value of an expression in ordinary notation. Raises ValueError: it is broken, or its value is not a number."""
    value = _Expression(text).run()
    if math.isnan(value):
        raise ValueError("the result is not a number")
    return value


# ---------------------------------------------------------------- reverse Polish notation


def evaluate_rpn(text: str) -> float:
    """The value of an expression in reverse Polish notation. Raises ValueError."""
    stack: list[float] = []
    text = text.strip()
    at = 0
    try:
        while at < len(text):
            found = _SIGNED.match(text, at)
            if found is not None:
                at = found.end()
                stack.append(-_value(found[0][1:]) if found[0][0] == "-" else _value(found[0]))
            else:
                word = text[at:].split(None, 1)[0]
                at += len(word)
                _operate(word, stack)
            if len(stack) > _MAX_STACK:
                raise ValueError("too many numbers on the stack")
            while at < len(text) and text[at] in " \t\r\n":
                at += 1
    except IndexError:
        raise ValueError("the stack is empty") from None
    if len(stack) != 1:
        raise ValueError(f"{len(stack)} numbers are left on the stack")
    return stack[0]


def _operate(word: str, stack: list[float]) -> None:
    if word in _RPN_BINARY:
        right = stack.pop()
        stack.append(_RPN_BINARY[word](stack.pop(), right))
    elif word in _RPN_UNARY:
        stack.append(_RPN_UNARY[word](stack.pop()))
    elif word == "drop":
        stack.pop()
    elif word == "dup":
        stack.append(stack[-1])
    elif word == "swap":
        stack[-1], stack[-2] = stack[-2], stack[-1]
    elif word == "e":
        stack.append(math.e)
    elif word == "pi":
        stack.append(math.pi)
    else:
        raise ValueError(f"unknown operator <{word}>")


def _integer(value: float) -> int:
    """A C int of a double: what does not fit is the smallest one."""
    return int(value) if -0x80000001 < value < 0x80000000 else -0x80000000


class MathOps(Module):
    """The module."""

    decimal_digits = modparam(int, 6, min=0, max=300, help="digits behind the point in results")

    def _text(self, value: float) -> str:
        return "-nan" if math.isnan(value) else f"{value:.{self.decimal_digits}f}"

    def _result(self, call: Callable[[str], float], expression: str) -> float:
        try:
            return call(expression)
        except ValueError as error:
            raise ScriptError(f"failed to run math expression: <{expression}>: {error}") from None

    @function(ALL_ROUTES)
    def math_eval(self, ctx: Context, expression: str, result_var: Var) -> int:
        """Set result_var to the value of an expression. 1; -1 when it is broken or not a number, result_var untouched."""
        put(ctx, result_var, self._text(self._result(evaluate, expression)))
        return 1

    @function(ALL_ROUTES)
    def math_rpn(self, ctx: Context, expression: str, result_var: Var) -> int:
        """The same for reverse Polish notation: + - / * mod pow, neg exp ln log10 abs sqrt cbrt floor ceil round nearbyint
        trunc, e pi, drop dup swap. 1 / -1."""
        put(ctx, result_var, self._text(self._result(evaluate_rpn, expression)))
        return 1

    @function(ALL_ROUTES)
    def math_floor(self, ctx: Context, number: str, result_var: Var) -> int:
        """The largest integer not above number. 1."""
        put(ctx, result_var, _integer(_FUNCTIONS["floor"](leading_number(number))))
        return 1

    @function(ALL_ROUTES)
    def math_ceil(self, ctx: Context, number: str, result_var: Var) -> int:
        """The smallest integer not below number. 1."""
        put(ctx, result_var, _integer(_FUNCTIONS["ceil"](leading_number(number))))
        return 1

    @function(ALL_ROUTES)
    def math_trunc(self, ctx: Context, number: str, result_var: Var) -> int:
        """The integer towards zero. 1."""
        put(ctx, result_var, _integer(_RPN_UNARY["trunc"](leading_number(number))))
        return 1

    @function(ALL_ROUTES)
    def math_round(self, ctx: Context, number: str, result_var: Var, decimals: int = 0) -> int:
        """The nearest integer, ties away from zero; with decimals a text with that many digits. 1."""
        value = leading_number(number)
        if decimals:
            put(ctx, result_var, f"{value:.{decimals if 0 < decimals <= 300 else 6}f}")
        else:
            put(ctx, result_var, _integer(_RPN_UNARY["round"](value)))
        return 1

    @function(ALL_ROUTES)
    def math_round_sf(self, ctx: Context, number: str, result_var: Var, figures: int | None = None) -> int:
        """number rounded to so many significant figures; without figures as math_round(). 1."""
        if figures is None:
            return self.math_round(ctx, number, result_var)
        value = leading_number(number)
        if value and math.isfinite(value):
            factor = _power(10.0, figures - math.ceil(math.log10(abs(value))))
            scaled = value * factor
            if math.isfinite(scaled) and factor:
                value = _round(scaled) / factor
        put(ctx, result_var, self._text(value))
        return 1

    @function(ALL_ROUTES)
    def math_compare(self, ctx: Context, exp1: str, exp2: str, result_var: Var) -> int:
        """Set result_var to 1, 0 or -1: exp1 is larger than, equal to, smaller than exp2. 1; -1 when one is broken."""
        first, second = self._result(evaluate, exp1), self._result(evaluate, exp2)
        put(ctx, result_var, (first > second) - (first < second))
        return 1


exports = MathOps
