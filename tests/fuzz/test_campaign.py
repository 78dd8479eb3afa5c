"""A short campaign, so that every change is attacked a little; the long one is `python -m tests.fuzz.campaign`."""

from __future__ import annotations

from tests.fuzz.campaign import run
from tests.fuzz.corpus import seeds


def test_a_few_thousand_messages() -> None:
    assert run(4000, 20, quiet=True).kinds == {}


def test_there_is_something_to_begin_with() -> None:
    found = seeds()
    assert len(found) > 1000 and all(b"{{" not in one or b"{{" in one.partition(b"\r\n\r\n")[2] for one in found[61:])
