"""Parameter lists and comma lists."""

import pytest

from engine.errors import SipParseError
from engine.sip.grammar import (
    capped_number,
    find_param,
    has_control,
    is_balanced,
    param_span,
    parse_params,
    quote,
    split_commas,
    split_params,
    unescape_quoted,
    unquote,
)


def test_split_params_respects_quotes() -> None:
    assert split_params('a="x;y";b;c=1') == ['a="x;y"', "b", "c=1"]
    assert split_params('a="x\\";y";b') == ['a="x\\";y"', "b"]


def test_split_commas_respects_quotes_and_brackets() -> None:
    assert split_commas('"A, B" <sip:a,b@h>;x=1 , <sip:c@h>,,') == ['"A, B" <sip:a,b@h>;x=1', "<sip:c@h>"]
    assert split_commas("a, b ,c") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("params", "name", "expected"),
    [
        ("tag=abc", "tag", "abc"),
        ("x=1;TAG = abc ;y", "tag", "abc"),
        ("lr", "lr", ""),
        ("lrx;lr=on", "lr", "on"),
        ('a="tag=1;tag=2";tag=3', "tag", "3"),
        ("a=tag", "tag", None),
        ("", "tag", None),
        ("x=1;x=2", "x", "1"),
        ('+sip.instance="<urn:uuid:1>";q=1', "+sip.instance", "<urn:uuid:1>"),
    ],
)
def test_find_param(params: str, name: str, expected: str | None) -> None:
    assert find_param(params, name) == expected


def test_param_span_gives_the_place() -> None:
    text = 'a="x;rport"; rport = 5 ;b'
    span = param_span(text, "rport")
    assert span is not None and text[span[0] : span[1]] == "rport = 5"
    assert param_span(text, "c") is None


def test_parse_params() -> None:
    assert parse_params(' ;a=1;B ; c="x;y"') == [("a", "1"), ("B", None), ("c", "x;y")]
    assert parse_params("") == []


@pytest.mark.parametrize("text", ["a=", "a;;b", "=1", 'a="x', ";"[:1] + ";a"])
def test_parse_params_refuses(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_params(text)


def test_quotes() -> None:
    assert is_balanced('a "b\\"c" d') and not is_balanced('a "b') and not is_balanced('"\\"')
    assert unquote('"a"') == "a" and unquote('"') == '"'
    assert unescape_quoted(quote('a"b\\c')) == 'a"b\\c'
    assert has_control("a\r\nb") and not has_control("ab")


@pytest.mark.parametrize(("digits", "expected"), [("0", 0), ("", 0), ("0042", 42), ("100", 99), ("9" * 5000, 99), ("0" * 5000 + "7", 7)])
def test_numbers_that_are_capped(digits: str, expected: int) -> None:
    assert capped_number(digits, 99) == expected
