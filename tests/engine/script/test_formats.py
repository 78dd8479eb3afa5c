"""Formats become expressions that print their parts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.script.formats import compile_format
from engine.script.values import NULL_TEXT, NumberText, TextNumber, Value, print_of

PARTS = st.lists(
    st.one_of(
        st.tuples(st.just(False), st.text(max_size=8)),
        st.tuples(st.just(True), st.sampled_from(["get('a')", 'get("b")', "get('''c''')", "get('#')", 'get("\\n")', "V['d']"])),
    ), max_size=6,
)
VALUES: dict[str, Value] = {
    "a": "A", "b": 5, "c": None, "#": TextNumber("7", 7), "\n": NumberText(3, "three"), "d": NumberText(4, None),
}


@given(PARTS)
def test_prints_every_part(parts: list[tuple[bool, str]]) -> None:
    names = {"NULL_TEXT": NULL_TEXT, "get": VALUES.get, "V": VALUES}
    expected = "".join(print_of(eval(text, dict(names))) if is_code else text for is_code, text in parts)
    assert eval(compile_format(parts), dict(names)) == expected


def test_constant() -> None:
    assert compile_format([(False, "a"), (False, "{b}'\n")]) == repr("a{b}'\n")
    assert compile_format([]) == "''"


def test_f_string_where_possible() -> None:
    assert compile_format([(False, "a{"), (True, "ctx.ruri")]).startswith("f'a{{")
