"""Flags of save() in both spellings, GRUUs, basic regular expressions, PURR cipher: parts of modules/shared/reg."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.shared.reg import gruu
from modules.shared.reg.flags import SaveFlags, basic_to_extended, parse_save_flags
from modules.shared.reg.methods import method_bit, read_methods
from modules.shared.reg.path import first_hop
from modules.shared.reg.push import seal, unseal


def fields(flags: SaveFlags) -> dict[str, object]:
    """The flags that are set."""
    plain = SaveFlags()
    return {name: getattr(flags, name) for name in flags.__slots__ if getattr(flags, name) != getattr(plain, name)}


@pytest.mark.parametrize(("names", "letters", "expected"), [
    ("memory-only,no-reply", "mr", {"memory_only": True, "no_reply": True}),
    ("path-strict, path-received", "p2v", {"path": 3, "path_received": True}),
    ("max-contacts=3 , force-registration", "c3f", {"max_contacts": 3, "force": True}),
    ("min-expires=10,max-expires=20,only-request-contacts", "e10E20o",
     {"min_expires": 10, "max_expires": 20, "only_request_contacts": True}),
    ("matching-mode=1", "M1", {"match": 1}),
    ("matching-mode=<X-App>, socket-header", "M<X-App>s", {"match": "x-app", "socket_header": True}),
])
def test_save_flags(names: str, letters: str, expected: dict[str, object]) -> None:
    assert fields(parse_save_flags(names)) == expected
    assert fields(parse_save_flags(letters)) == expected


@pytest.mark.parametrize("text", [
    "", "x", "no-such", "max-contacts", "max-contacts=x", "c", "p9", "memory-only,",
])
def test_bad_save_flags(text: str) -> None:
    with pytest.raises(ValueError):
        parse_save_flags(text)


@pytest.mark.parametrize(("text", "odd"), [("M", ""), ("M7", "7"), ("matching-mode=7", "7")])
def test_a_matching_mode_that_does_not_exist_is_kept_for_the_log(text: str, odd: str) -> None:
    flags = parse_save_flags(text)
    assert (flags.match, flags.odd) == (None, odd)


@given(st.text(max_size=30))
def test_any_text_is_flags_or_refused(text: str) -> None:
    try:
        parse_save_flags(text)
    except ValueError:
        pass


@pytest.mark.parametrize(("basic", "extended"), [
    ("^Soft", "^Soft"), ("a\\|b", "a|b"), ("a|b", "a\\|b"),
    ("(x)\\(y\\)+", "\\(x\\)(y)\\+"), ("[a+(]\\.", "[a+(]\\."), ("a*", "a*"),
])
def test_basic_expressions(basic: str, extended: str) -> None:
    assert basic_to_extended(basic) == extended


def test_temporary_gruu_is_sealed() -> None:
    uri = gruu.temporary("bob@example.com", "<urn:uuid:1>", "call id", "h:5060", "secret")
    user = uri[4:].partition("@")[0]
    assert gruu.read_temporary(user, "secret") == ("bob@example.com", "urn:uuid:1", "call id")
    assert gruu.read_temporary(user, "other") is None
    assert gruu.read_temporary(gruu.PREFIX + "AAAA", "secret") is None
    assert gruu.temporary("bob@example.com", "<urn:uuid:1>", "call id", "h:5060", "secret") != uri


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_any_user_part_is_a_gruu_or_not(text: str) -> None:
    assert gruu.read_temporary(gruu.PREFIX + text, "secret") is None


@given(st.integers(0, 2**64 - 1))
def test_cipher_is_reversible(number: int) -> None:
    sealed = seal(number, "k")
    assert 0 <= sealed < 2**64
    assert unseal(sealed, "k") == number


def test_small_parts() -> None:
    assert read_methods("INVITE, foo,ack") == 1 + 4 + 16384
    assert (method_bit("BYE"), method_bit("X")) == (8, 16384)
    assert first_hop("<sip:a;lr>,<sip:b;lr>") == "sip:a;lr"
    assert first_hop('"Edge" <sip:a;lr>') == "sip:a;lr"
    assert first_hop('"open') is None
