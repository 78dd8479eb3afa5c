"""The lexer: numbers, strings, variables, comments, words that depend on their place."""

import pytest

from engine.script.globals import TOKEN_KINDS
from engine.script.preprocessor import flatten
from engine.script.tokens import Token, number_value, string_value, tokenize


def lex(text: str) -> list[Token]:
    tokens, errors, _ = tokenize(flatten(text, "t.cfg"), TOKEN_KINDS)
    assert not errors
    return tokens[:-1]


def shape(text: str) -> list[tuple[str, str]]:
    return [(token.type, token.text) for token in lex(text)]


@pytest.mark.parametrize(("text", "value"), [
    ("0", 0), ("10", 10), ("0x1F", 31), ("017", 15), ("2147483648", -2147483648), ("99999999999", 1215752191),
    ("0xffffffff", -1), ("yes", 1), ("disable", 0),
])
def test_numbers(text: str, value: int) -> None:
    assert number_value(text) == value
    assert lex(text)[0].value == value


@pytest.mark.parametrize(("text", "value"), [
    (r'"a\n\t\"\\"', 'a\n\t"\\'), (r'"\q\.\d\$\1\e"', r"\q\.\d\$\1\e"), (r'"\x41\x4\101\60"', "A\x04A0"),
    (r"'\n\x41'", r"\n\x41"), ('"a\\\nb"', "ab"), ("'a\\\nb'", "a\\\nb"), ('"it\'s"', "it's"), ('"a\nb"', "a\nb"),
])
def test_strings(text: str, value: str) -> None:
    assert string_value(text) == value
    assert lex(text)[0].value == value


@pytest.mark.parametrize(("text", "first"), [
    ("$var(a)-1", "$var(a)"), ("$var(a)==5&&$var(b)", "$var(a)"), ("$var(x)=1;", "$var(x)"), ("$var(a-b)", "$var(a-b)"),
    ("$var(a b)", "$var(a b)"), ("$rU;", "$rU"), ("$rU)", "$rU"), ("$ru:=1", "$ru"), ("$(ru{uri.user})x", "$(ru{uri.user})"),
    ("$(avp(x)[$var(i)]{s.select,1,:}) ", "$(avp(x)[$var(i)]{s.select,1,:})"),
    ("$a(b(c(d(e(f(g))))))+1", "$a(b(c(d(e(f(g))))))"), ("$(hdr(\n x))", "$(hdr(\n x))"),
])
def test_variables(text: str, first: str) -> None:
    assert lex(text)[0].text == first


def test_comments_nest_and_may_stay_open() -> None:
    assert shape("a /* b /* c */ d */ e # f\n g \\\n h /* open") == [("ID", "a"), ("ID", "e"), ("ID", "g"), ("ID", "h")]


def test_comment_signs_inside_strings_are_text() -> None:
    assert lex('"/* # */"')[0].value == "/* # */"


def test_operators() -> None:
    assert [kind for kind, _ in shape("== != =~ !~ := += && and || or ! not << & ~")] == [
        "EQOP", "EQOP", "MATCHOP", "MATCHOP", "COLONEQUAL", "OPASSIGN", "AND", "AND", "OR", "OR", "NOT", "NOT", "BITOP", "BITOP",
        "TILDE",
    ]


def test_addresses() -> None:
    assert [kind for kind, _ in shape("1.2.3.4 10.0.0.0/8 10.0.0.0/255.0.0.0 2001:db8::1 ::1 fe80::/10")] == [
        "IPV4ADDR", "IPNET", "IPNET", "IPV6ADDR", "IPV6ADDR", "IPNET"]


def test_words_of_definitions_are_plain_names_elsewhere() -> None:
    assert ("AS", "as") in shape("socket = udp:1.2.3.4 as h tag x")
    assert ("ID", "as") in shape("route { as(); tag(); }")
    kinds = [kind for kind, text in shape("log_level = 1 route { log_level = 1; }") if text == "log_level"]
    assert kinds == ["G_SIMPLE", "RESERVED"]


def test_unknown_characters_are_stepped_over_with_a_warning() -> None:
    tokens, errors, warnings = tokenize(flatten("a \xc2\xa0 b", "t.cfg"), TOKEN_KINDS)
    assert [token.text for token in tokens] == ["a", "b", ""]
    assert not errors
    assert len(warnings) == 2


def test_string_open_at_the_end() -> None:
    _, errors, _ = tokenize(flatten('x\n "abc\n', "t.cfg"), TOKEN_KINDS)
    assert [(error.line, error.column) for error in errors] == [(2, 2)]


def test_positions() -> None:
    tokens = lex("a\n  bcd $var(x)\n")
    assert [(token.pos.line, token.pos.column, token.pos.end_column) for token in tokens] == [(1, 1, 1), (2, 3, 5), (2, 7, 13)]
