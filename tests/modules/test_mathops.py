"""mathops: numbers, both notations, rounding, what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.mathops import evaluate, evaluate_rpn, leading_number
from tests.modules.small_parts import printed, show


@pytest.mark.parametrize(("text", "value"), [
    ("1 + 2 * 3", 7), ("-2^2", 4), ("2^3^2", 64), ("8/4/2", 1), ("7 % 4", 3), ("-7 % 4", -3), ("--3", 3), ("+-+3", -3),
    ("(1+2)*3", 9), ("abs(-4)", 4), ("sqrt 16", 4), ("ln(exp(2))", 2), ("log(1000)", 3), (".5+1e2", 100.5), ("0x10", 16),
    ("cos(0)", 1), ("1/0", math.inf), ("-1/0", -math.inf), ("2^-1", 0.5), ("floor(-1.5)+ceil(-1.5)", -3), ("0^-1", math.inf),
    ("exp(1000)", math.inf), ("ln(0)", -math.inf),
])
def test_ordinary(text: str, value: float) -> None:
    assert evaluate(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "1 +", "(1", "1)", "foo(1)", "1 2", "0/0", "sqrt(-1)", "ln(-1)", "5 % 0", "$", "(" * 5000])
def test_ordinary_refused(text: str) -> None:
    with pytest.raises(ValueError):
        evaluate(text)


@pytest.mark.parametrize(("text", "value"), [
    ("1 2 + 3 *", 9), ("2 3 pow 4 swap - dup *", 16), ("1 3 swap swap dup drop / exp ln 1 swap /", 3), ("-5 abs neg", -5),
    ("7 4 mod", 3), ("2.5 round", 3), ("2.5 nearbyint", 2), ("-2.5 round", -3), ("27 cbrt", 3), ("100 log10", 2), ("e ln", 1),
    ("pi floor", 3), ("-1.9 trunc", -1), ("9 sqrt", 3), ("1.2 ceil", 2), ("1 2+", 3),
])
def test_rpn(text: str, value: float) -> None:
    assert evaluate_rpn(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "+", "1 2", "1 foo", "dup", "swap", "1 swap", "1 " * 100])
def test_rpn_refused(text: str) -> None:
    with pytest.raises(ValueError):
        evaluate_rpn(text)


@given(st.text())
def test_any_text_is_a_number_or_refused(text: str) -> None:
    for call in (evaluate, evaluate_rpn):
        try:
            assert isinstance(call(text), float)
        except ValueError:
            pass


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.sampled_from("+-*"))
def test_agrees_with_python(a: int, b: int, operator: str) -> None:
    wanted = {"+": a + b, "-": a - b, "*": a * b}[operator]
    assert evaluate(f"{a} {operator} {b}") == wanted
    assert evaluate_rpn(f"{a} {b} {operator}") == wanted


@pytest.mark.parametrize(("text", "value"), [(" -1.5abc", -1.5), ("abc", 0), ("", 0), ("1e3", 1000), ("inf", math.inf), ("0x1f",
    31)])
def test_leading_number(text: str, value: float) -> None:
    assert leading_number(text) == value


def test_functions() -> None:
    body = (
        'math_floor("-1.5", $var(r)); ' + show("$var(r)") + ' math_ceil("1.2", $var(r)); ' + show("$var(r)")
        + ' math_round("-2.5", $var(r)); ' + show("$var(r)") + ' math_round("3.14159", $var(r), 2); ' + show("$var(r)")
        + ' math_round_sf("31415.9", $var(r), 3); ' + show("$var(r)") + ' math_round_sf("0", $var(r), 3); ' + show("$var(r)")
        + ' math_round_sf("2.6", $var(r)); ' + show("$var(r)") + ' math_trunc("1e30", $var(r)); ' + show("$var(r)")
        + ' math_compare("1 + 8", "7/2", $var(r)); ' + show("$rc $var(r)")
        + ' math_compare("1", "x", $var(r)); ' + show("$rc")
        + ' math_eval("1/3", $ci); ' + show("$rc") + ' math_rpn("0 0 /", $var(r)); ' + show("$rc $var(r)")
    )
    assert printed("mathops", body, {"mathops.decimal_digits": 1}) == [
        "-2", "2", "-3", "3.14", "31400.0", "0.0", "3", "-2147483648", "1 1", "-1", "-1", "1 -nan",
    ]
