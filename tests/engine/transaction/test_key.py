"""What belongs to which transaction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.sip.message import Request, parse_message
from engine.transaction.key import (
    call_key, digest_label, from_reversed_hex, has_cookie, hash_index, request_key, reversed_hex, same_invite, stateless_branch,
)
from tests.helpers import make_request


def request(*args: object, **kwargs: object) -> Request:
    return parse_message(make_request(*args, **kwargs))  # type: ignore[arg-type, return-value]


@given(st.integers(min_value=0, max_value=2**40))
def test_reversed_hex_is_undone(number: int) -> None:
    assert from_reversed_hex(reversed_hex(number)) == number


def test_reversed_hex_of_nonsense() -> None:
    assert [from_reversed_hex(text) for text in ("", "xyz", "-1", "1.2")] == [None] * 4


def test_the_cookie_alone_identifies_nothing() -> None:
    assert [has_cookie(branch) for branch in (None, "", "z9hG4bK", "Z9hG4bKx", "z9hG4bKx")] == [False, False, False, False, True]


def test_copies_have_one_key_and_other_requests_another() -> None:
    key = request_key(request("INVITE"), "INVITE")
    assert key == request_key(request("INVITE"), "INVITE")
    assert key == request_key(request("ACK", to_tag="x"), "INVITE")
    for changed in (
        request("INVITE", branch="z9hG4bK-other"), request("INVITE", via="SIP/2.0/UDP 127.0.0.1:5071;branch=z9hG4bK-call-1"),
        request("INVITE", via="SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bK-call-1"),
    ):
        assert request_key(changed, "INVITE") != key
    assert request_key(request("CANCEL"), "CANCEL") != key


def test_old_requests_are_known_by_their_headers() -> None:
    via = "SIP/2.0/UDP 127.0.0.1:5070"
    first = request("INVITE", via=via)
    assert request_key(first, "INVITE") == request_key(request("INVITE", via=via), "INVITE")
    others = (request("INVITE", via=via, cseq=2), request("INVITE", via=via, call_id="x"), request("INVITE", via=via + ";x"))
    for changed in others:
        assert request_key(first, "INVITE") != request_key(changed, "INVITE")
    moved = request("INVITE", "sip:elsewhere@example.com", via=via)
    assert request_key(first, "INVITE") != request_key(moved, "INVITE")
    assert request_key(first, "INVITE", False) == request_key(moved, "INVITE", False)


def test_ack_and_cancel_of_old_invites() -> None:
    via = "SIP/2.0/UDP 127.0.0.1:5070"
    invite = request("INVITE", via=via)
    assert same_invite(invite, request("ACK", via=via, to_tag="theirs"))
    assert not same_invite(invite, request("ACK", via=via, cseq=2))
    assert not same_invite(invite, request("ACK", via=via, from_tag="other"))
    assert not same_invite(invite, request("ACK", via="SIP/2.0/UDP 127.0.0.1:9"))
    assert same_invite(invite, request("ACK", via="SIP/2.0/UDP 127.0.0.1:9"), via_matching=False)


def test_hashes_fit_the_table() -> None:
    for call_id in ("a", "b" * 300, None):
        assert 0 <= hash_index(call_id, "1") < 65536


def test_labels_and_stateless_branches_repeat() -> None:
    assert digest_label(request("INVITE")) == digest_label(request("INVITE")) != digest_label(request("INVITE", cseq=2))
    assert stateless_branch(request("ACK")) == stateless_branch(request("ACK"))
    assert stateless_branch(request("ACK")) != stateless_branch(request("ACK", branch="z9hG4bK-other"))
    old = request("INVITE", via="SIP/2.0/UDP 127.0.0.1:5070")
    assert stateless_branch(old).startswith("z9hG4bK")


@pytest.mark.parametrize("method", ["INVITE", "ACK"])
def test_an_end_to_end_ack_shares_the_call(method: str) -> None:
    assert call_key(request(method)) == ("call-1", "1")
