"""What "did you mean" offers."""

from __future__ import annotations

from engine.similar import closest, nearest


def test_the_same_letters_come_first() -> None:
    assert closest("SAVE", ["lookup", "save"]) == "save"
    assert closest("RU", ["rU", "rR"]) == "rU"


def test_the_most_alike_name() -> None:
    assert closest("t_rely", ["t_relay", "t_reply", "save"]) in ("t_relay", "t_reply")
    assert closest("T_RELAi", ["t_relay", "save"]) == "t_relay"
    assert closest("xyz", ["save", "lookup"]) == ""


def test_a_hint_is_written_as_in_the_script() -> None:
    assert nearest("from_user", ["from.user"], "${}") == "did you mean $from.user?"
    assert nearest("s.tolowr", ["s.tolower"], "{{{}}}") == "did you mean {s.tolower}?"
    assert nearest("xyz", ["save"]) == ""
