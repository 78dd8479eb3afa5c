"""PCRE's spellings in Python's words."""

from __future__ import annotations

import pytest

from modules.shared.pcre import compile_pcre, translate


@pytest.mark.parametrize(("pattern", "text"), [
    ("^[[:alpha:]]+$", "ab"), ("[]a]+", "]"), ("[^]a]", "b"), ("a[[]b", "a[b"),
    (r"\Aabc\z", "abc"), (r"(?<n>b)(?P=n)", "bb"), ("(?'n'b)", "b"),
    ("(?<=a)b", "ab"), ("(?<!a)b", "cb"), ("^[[:digit:][:upper:]_-]+$", "A1-_"),
    (r"a\Z", "a\n"), (r"^[\h]\h$", "\t "), (r"a\Rb", "a\r\nb"),
])
def test_matches(pattern: str, text: str) -> None:
    assert compile_pcre(pattern).search(text) is not None


def test_an_escaped_backslash_before_a_letter_stays() -> None:
    assert translate(r"\\z[\\]") == r"\\z[\\]"


def test_unknown_class() -> None:
    with pytest.raises(ValueError, match="unknown class"):
        compile_pcre("[[:nonsense:]]")
