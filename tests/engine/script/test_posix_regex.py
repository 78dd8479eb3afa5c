"""POSIX extended expressions behave as with regcomp()."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.script.posix_regex import compile_posix, translate


@pytest.mark.parametrize(("pattern", "text", "found"), [
    ("^a.c$", "abc", "abc"), ("[[:digit:]]+", "ab123", "123"), ("[^[:alpha:]]", "ab1", "1"), (r"[\d]+", r"a\d1", r"\d"),
    (r"\d+", "1d", "d"), (r"\w+", "-ab_1-", "ab_1"), (r"a\.b", "a.b", "a.b"), ("[]a]+", "x]a]", "]a]"),
    ("[a-c-]+", "x-b-", "-b-"),
    ("a{2,3}", "aaaa", "aaa"), ("a{2}", "a aa", "aa"), ("a**", "aaa", "aaa"), ("(ab)+?", "abab", "abab"), ("a)", "a)", "a)"),
    (r"(a)\1", "aa", "aa"), (r"\<b", "ab b", "b"), ("a|b", "b", "b"), ("a{x", "a{x", "a{x"), ("[[.-.]]", "a-", "-"),
    ("", "x", ""),
])
def test_matches(pattern: str, text: str, found: str) -> None:
    match = compile_posix(pattern).search(text)
    assert match is not None and match[0] == found


def test_case_and_lines() -> None:
    assert compile_posix("INVITE").search("invite")
    assert not compile_posix("INVITE", ignore_case=False).search("invite")
    assert compile_posix("^b").search("a\nb")
    assert not compile_posix("^b", multi_line=False).search("a\nb")
    assert not compile_posix("a.b").search("a\nb")
    assert not compile_posix("a[^x]b").search("a\nb")
    assert compile_posix("a.b", multi_line=False).search("a\nb")
    assert not compile_posix("a$", multi_line=False).search("a\n")
    assert not compile_posix(r"\w").search("é")


@pytest.mark.parametrize("pattern", ["(a", "[a", "*a", "a|*", "(+)", "a\\", "[[:nosuch:]]", "[b-a]", "a{3,2}", r"\2", "[[:alp"])
def test_broken(pattern: str) -> None:
    with pytest.raises(ValueError):
        compile_posix(pattern)


@given(st.text(st.characters(max_codepoint=255), max_size=20))
def test_anything_is_read_or_refused(pattern: str) -> None:
    try:
        compiled = compile_posix(pattern)
    except ValueError:
        return
    assert isinstance(compiled, re.Pattern)


@given(st.text("abc.-_@ ", max_size=12))
def test_plain_texts_find_themselves(text: str) -> None:
    escaped = "".join("\\" + char if char == "." else char for char in text)
    assert re.compile(translate(escaped)).fullmatch(text)
