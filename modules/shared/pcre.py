r"""Perl-style regular expressions for modules whose manuals promise PCRE: Python's `re` covers what scripts and tables use of it
(\d, lazy quantifiers, lookaround, (?i) in front)."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=512)
def compile_pcre(text: str, flags: int = 0) -> re.Pattern[str]:
    r"""An expression as PCRE means it: \w and friends are ASCII, $ matches before a last line feed too. ValueError: broken."""
    try:
        return re.compile(text, flags | re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None
