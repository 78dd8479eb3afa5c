"""Arithmetic with a constant is written in place: it gives what the operators themselves give, at the bounds of 32 bits too."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.script.operators import ValueFault, arithmetic, combine
from engine.script.valuecode import with_constant
from engine.script.values import NumberText, TextNumber, Value

BOUND = 0x7FFFFFFF
NUMBERS = st.one_of(st.integers(-BOUND - 1, BOUND), st.sampled_from([0, 1, -1, BOUND, BOUND - 1, -BOUND - 1, -BOUND, 65536]))
VALUES: st.SearchStrategy[Value] = st.one_of(
    NUMBERS, st.none(), st.text(alphabet="ab1", max_size=3), st.just(TextNumber("5060", 5060)), st.just(NumberText(42, "42abc")),
)
OPERATORS = st.sampled_from(["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"])


def result(call: Any) -> object:
    """What a calculation gives, with its type, or the kind of its failure."""
    try:
        found = call()
    except (ValueFault, ZeroDivisionError) as error:
        return type(error)
    return type(found), found


@given(OPERATORS, VALUES, st.one_of(NUMBERS, st.text(alphabet="ab1", max_size=3)))
def test_an_operator(op: str, left: Value, constant: int | str) -> None:
    has_text = isinstance(constant, str)
    code = with_constant(op, "left", constant, f"calculate({op!r}, x, {constant!r}, {has_text})")
    made = result(lambda: eval(code, {"left": left, "calculate": arithmetic}))  # noqa: S307 (our own text)
    assert made == result(lambda: arithmetic(op, left, constant, has_text))


@given(OPERATORS, VALUES, st.one_of(NUMBERS, st.text(alphabet="ab1", max_size=3)))
def test_an_operator_with_assignment(op: str, left: Value, constant: int | str) -> None:
    code = with_constant(op, "left", constant, f"combine({op!r}, x, {constant!r})")
    made = result(lambda: eval(code, {"left": left, "combine": combine}))  # noqa: S307 (our own text)
    assert made == result(lambda: combine(op, left, constant))
