"""The quick readings of a REGISTER say what the thorough ones say, whatever they are given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SipParseError
from engine.sip.headers import parse_contacts
from engine.sip.uri import parse_uri, try_uri
from modules.shared.reg.aor import _USUAL, is_uri
from modules.shared.reg.reading import _USUAL_CONTACT

PIECES = st.sampled_from((
    "sip:", "sips:", "tel:", "bob", "joe.doe+1", "%41", "@", "example.com", "192.0.2.1", "[2001:db8::1]", ":", "5060", "59999",
    "60000", "65535", "65536", ";", "transport=tcp", "ob", "lr", "=", "?", "a=b", "<", ">", '"', "Bob", '"Bob, B"', ",", " ",
    "\t", "*", "q=0.5", "expires=60", '+sip.instance="<urn:uuid:1>"', "\\", "\xe4", "",
))
TEXTS = st.lists(PIECES, max_size=12).map("".join)
URIS = st.tuples(st.just("sip:"), TEXTS, st.just("@"), TEXTS, st.sampled_from(("", ":5080", ":65536")), TEXTS).map("".join)


@given(URIS | TEXTS)
def test_what_looks_usual_is_a_uri_with_that_user_and_host(text: str) -> None:
    assert is_uri(text) == (try_uri(text) is not None)
    usual = _USUAL.match(text)
    if usual is not None:
        uri = parse_uri(text)
        assert usual.groups() == (uri.user, uri.host)


@given(st.tuples(TEXTS, URIS, TEXTS).map(lambda parts: f"{parts[0]}<{parts[1]}>{parts[2]}") | TEXTS)
def test_what_looks_like_one_usual_contact_is_one(text: str) -> None:
    usual = _USUAL_CONTACT.match(text)
    if usual is not None:
        one, = parse_contacts(text)
        assert (usual[1], usual[4] or "") == (one.uri, one.params)
        assert try_uri(one.uri) is not None


@pytest.mark.parametrize("text", [
    " <sip:bob@192.0.2.1:5062>", "<sip:bob@h>;expires=60;q=0.5", ' "Bob" <sip:+49.30@example.com;transport=tcp;ob>;q=1',
])
def test_what_devices_send_is_usual(text: str) -> None:
    assert _USUAL_CONTACT.match(text) is not None


@pytest.mark.parametrize("text", [
    "<sip:a@h>;q=1, <sip:b@h>", "<sip:a@h>,<sip:b@h>", "*", "<*>", "<sip:a@h:99999>", "<sip:a@h", "sip:a@h", "<sip:a@h>;",
    '<sip:a@h>;+sip.instance="<urn:x>"', "<sip:a@h>\r\n ;q=1", "<sip:a;b=c@h>", "<sip:a:secret@h>", "<sip:h>",
])
def test_everything_else_is_left_to_the_thorough_reading(text: str) -> None:
    assert _USUAL_CONTACT.match(text) is None
    try:
        parse_contacts(text)
    except SipParseError:
        pass
