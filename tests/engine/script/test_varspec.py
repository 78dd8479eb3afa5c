"""The form of variables and formats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ScriptSyntaxError
from engine.script.varspec import VarSpec, parse_format, parse_variable


def test_parts_of_a_variable() -> None:
    spec = parse_variable("$(<request>avp(x)[$var(i)]{s.select,1,,} {S.LEN})")
    assert (spec.context, spec.name, spec.inner) == ("request", "avp", "x")
    assert isinstance(spec.index, VarSpec)
    assert (spec.index.name, spec.index.inner) == ("var", "i")
    assert [(item.cls, item.func, item.args) for item in spec.transformations] == [("s", "select", ["1", ","]), ("s", "len", [])]


@pytest.mark.parametrize(("text", "index"), [
    ("$(avp(x)[0])", 0), ("$(avp(x)[-1])", -1), ("$(avp(x)[*])", "*"), ("$(avp(x)[append])", "append"), ("$avp(x)", None),
])
def test_index(text: str, index: object) -> None:
    assert parse_variable(text).index == index


@pytest.mark.parametrize(("text", "args"), [
    ("$(ru{s.substr, 1 ,-2})", ["1", "-2"]), ("$(ru{s.select,0,;})", ["0", ";"]), (r"$(ru{s.index,a\,b})", ["a,b"]),
    ("$(ru{re.subst,/a,b\\{2\\}/\\1/g})", ["/a,b{2}/\\1/g"]), ("$(ru{s.fill.left,0,5})", ["0", "5"]), ("$(ru{s.len})", []),
    ("$(ru{s.select,1,}})", ["1", "}"]), ("$(ru{s.index,})", [""]),
])
def test_arguments_of_transformations(text: str, args: list[str]) -> None:
    assert parse_variable(text).transformations[0].args == args


def test_variable_as_argument() -> None:
    argument = parse_variable("$(ru{s.substr,0,$(var(n){s.int})})").transformations[0].args[1]
    assert isinstance(argument, VarSpec)
    assert argument.transformations[0].func == "int"


def test_name_from_a_variable() -> None:
    assert parse_variable("$avp($var(n))").inner_var == parse_variable("$var(n)")
    assert parse_variable("$json($var(a)/b)").inner_var is None


@pytest.mark.parametrize("text", [
    "ru", "$", "$()", "$(ru", "$(ru{s.len)", "$(ru{s.len}", "$(ru[0)", "$(ru[x y])", "$ru{s.len}", "$var(", "$var()", "$(<>ru)",
    "$(ru{})", "$(ru x)", "$(ru{.len",
])
def test_broken_variables(text: str) -> None:
    with pytest.raises(ScriptSyntaxError):
        parse_variable(text)


def parts(text: str) -> list[str]:
    return [part if isinstance(part, str) else f"<{part.raw}>" for part in parse_format(text)]


@pytest.mark.parametrize(("text", "expected"), [
    ("", []), ("plain 100%", ["plain 100%"]), ("a$rm-x", ["a", "<$rm>", "-x"]), ("$(rm)s", ["<$(rm)>", "s"]),
    ("$$5 $$", ["$5 $"]), ("$var(a)$var(b)", ["<$var(a)>", "<$var(b)>"]), ("<$fu>", ["<", "<$fu>", ">"]),
])
def test_formats(text: str, expected: list[str]) -> None:
    assert parts(text) == expected


@pytest.mark.parametrize("text", ["a$", "a $ b", "$-", "x $(ru"])
def test_broken_formats(text: str) -> None:
    with pytest.raises(ScriptSyntaxError) as caught:
        parse_format(text, ("f.cfg", 3, 4, 5))
    assert (caught.value.file, caught.value.line) == ("f.cfg", 3)


@given(st.text(alphabet="$(){}[]<>,.\\ab1*- ru", max_size=40))
def test_any_format_is_read_or_refused(text: str) -> None:
    try:
        found = parse_format(text)
    except ScriptSyntaxError:
        return
    assert "".join(part.replace("$", "$$") if isinstance(part, str) else part.raw for part in found) == text


@pytest.mark.parametrize(("text", "separator"), [
    ("$(ru{s.select,1,ab})", "a"), ("$(ru{s.select,1,,})", ","), ("$(ru{s.select,1,\\,})", "\\"), ("$(ru{s.select,1,})", "}"),
    ("$(ru{s.select,1, })", " "), ("$(ru{s.select,1,}})", "}"),
])
def test_the_separator_of_select_is_one_character_whichever_it_is(text: str, separator: str) -> None:
    assert parse_variable(text).transformations[0].args == ["1", separator]
