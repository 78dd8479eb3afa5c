"""Names of flags and their order."""

from __future__ import annotations

import pytest

from engine.errors import ConfigError
from engine.script.flags import MAX_FLAGS, FlagNames, mention_flags
from engine.script.parser import parse_text


def test_newest_first() -> None:
    names = FlagNames()
    a, b = names.bit("a"), names.bit("b")
    assert (a, b, names.bit("a")) == (1, 2, 1)
    assert names.text(a | b) == "b a" and names.text(0) == ""
    assert names.mask_of("a  b nobody") == a | b
    assert names.known("nobody") == 0 and "nobody" not in names and len(names) == 2


def test_thirty_two() -> None:
    names = FlagNames("branch")
    for number in range(MAX_FLAGS):
        names.bit(str(number))
    with pytest.raises(ConfigError):
        names.bit("one more")


def test_variables_outside_of_strings_come_first() -> None:
    tree = parse_text('route { setflag("f"); $msg.flag(b) = 1; if ($msg.flag(a)) { $(msg.branch.flag(x)[1]) = 0; } }')
    message, branch = FlagNames(), FlagNames("branch")
    mention_flags(tree.routes, message, branch)
    assert message.text(-1) == "a b" and branch.text(-1) == "x"
