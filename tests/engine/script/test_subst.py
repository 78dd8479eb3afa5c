"""Substitution expressions."""

from __future__ import annotations

import pytest

from engine.script.subst import Subst, parse_subst
from engine.script.varspec import VarSpec
from tests.engine.script.kit import Kit

KIT = Kit()


def parse(text: str) -> Subst:
    def bind(spec: VarSpec):  # type: ignore[no-untyped-def]
        return KIT.binder.bind(spec).get

    return parse_subst(text, bind)


def test_parts_of_the_replacement() -> None:
    subst = parse(r"/(b+)(x)?/<\0|\1|\2|\n|$rm|\u|\/>/")
    assert subst.apply(KIT.ctx, "abbc") == ("a<bb|bb||\n|OPTIONS|sip:bob@example.com|/>c", 1)


def test_count_and_flags() -> None:
    assert parse("/b/x/g").apply(KIT.ctx, "bab") == ("xax", 2)
    assert parse("/b/x/").apply(KIT.ctx, "ccc") == ("ccc", 0)
    assert parse("/a.b/x/s").apply(KIT.ctx, "a\nb") == ("x", 1)
    assert parse("/^b/x/g").apply(KIT.ctx, "bb") == ("xb", 1)
    assert parse("!/!_!g").apply(KIT.ctx, "a/b/c") == ("a_b_c", 2)


@pytest.mark.parametrize("text", ["", "/a", "/a/b", "\\a\\b\\", "/a/b/x", "/(/b/"])
def test_broken(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_an_empty_match_is_refused() -> None:
    with pytest.raises(ValueError):
        parse("/x*/y/").apply(KIT.ctx, "abc")
