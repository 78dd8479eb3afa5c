"""The reference's hash, against a plain rendering of its C."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from modules.shared.corehash import core_hash, finished, mixed


def as_in_c(data: bytes) -> int:
    signed = [byte - 256 if byte > 127 else byte for byte in data]
    total = at = 0
    while at + 4 <= len(signed):
        word = ((signed[at] << 24) + (signed[at + 1] << 16) + (signed[at + 2] << 8) + signed[at + 3]) % 2**32
        total = (total + (word ^ (word >> 3))) % 2**32
        at += 4
    word = 0
    for byte in signed[at:]:
        word = (word * 256 + byte) % 2**32
    total = (total + (word ^ (word >> 3))) % 2**32
    return (total + (total >> 11) + (total >> 13) + (total >> 23)) % 2**32


@given(st.binary(max_size=40) | st.text(alphabet="ab1@.:", max_size=40).map(str.encode))
def test_it_is_the_same(data: bytes) -> None:
    assert finished(mixed(data)) == as_in_c(data)
    assert core_hash(data, 128) == as_in_c(data) % 128
