"""Shell patterns, as the C library reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.shared.glob import compile_glob, matches_glob


@pytest.mark.parametrize(("pattern", "good", "bad"), [
    ("*", "abc", ".a"), ("a*c", "abbc", "abb"), ("a**c", "ac", "b"), ("a?c", "abc", "ac"), ("?a", "ba", ".a"), (".*", ".a", "a"),
    ("[a-c]x", "bx", "dx"), ("[!a-c]x", "dx", "bx"), ("[^a-c]x", "dx", "bx"), ("[.]a", "", ".a"), ("a\\*", "a*", "ab"),
    ("[]a]x", "]x", "bx"), ("[!]]x", "ax", "]x"), ("[a\\]]x", "]x", "\\]x"), ("[a", "[a", "a"), ("a[b", "a[b", "ab"),
    ("[a-", "", "[a-"), ("[z-a]", "", "b"), ("a\\", "", "a\\"), ("[[:digit:]]*", "1x", "ax"), ("[[:alpha:]_]b", "_b", "1b"),
    ("[[:what:]]", "", "w"), ("{a,b}", "{a,b}", "a"), ("", "", "a"), ("a", "a", "A"), ("*.a", "x.a", ".a"), ("[a-]x", "-x", "bx"),
])
def test_patterns(pattern: str, good: str, bad: str) -> None:
    if good or not pattern:
        assert matches_glob(pattern, good)
    assert not matches_glob(pattern, bad)


@given(st.text(alphabet="ab*?[]!^-\\.:", max_size=12), st.text(alphabet="ab-.]", max_size=6))
def test_any_pattern_can_be_read(pattern: str, text: str) -> None:
    matches_glob(pattern, text)
    if not set(pattern) & set("*?[\\"):
        assert matches_glob(pattern, pattern) and compile_glob(pattern).fullmatch(pattern + "x") is None
