"""Bytes to characters of a database and back: nothing is lost, whatever a phone sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.db.chars import inbound, outbound


@given(st.binary())
def test_any_bytes_come_back(data: bytes) -> None:
    text = data.decode("latin-1")
    stored = outbound(text)
    assert "\0" not in stored
    assert inbound(stored.encode("utf-8").decode("utf-8")) == text


@given(st.text())
def test_any_characters_come_back(characters: str) -> None:
    text = characters.encode("utf-8", "ignore").decode("latin-1")
    assert inbound(outbound(text)) == text


@pytest.mark.parametrize(("text", "stored"), [
    ("plain", "plain"), ("J\xc3\xb6rg", "J\xf6rg"), ("\xff", "\ueeff"), ("\0", "\uef00"), ("", ""),
])
def test_utf8_is_stored_as_what_it_means(text: str, stored: str) -> None:
    assert outbound(text) == stored
