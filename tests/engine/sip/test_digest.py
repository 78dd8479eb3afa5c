"""Digest authentication against the examples of RFC 2617 and RFC 7616."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SipParseError
from engine.sip.digest import (
    ALGORITHMS,
    DigestFields,
    canonical_algorithm,
    compute_ha1,
    compute_response,
    format_challenge,
    format_credentials,
    is_valid_response,
    parse_algorithms,
    parse_digest,
)
from engine.sip.grammar import quote


def test_rfc_2617_example() -> None:
    ha1 = compute_ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life")
    assert (
        compute_response(
            "MD5",
            ha1,
            "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            "GET",
            "/dir/index.html",
            qop="auth",
            nc="00000001",
            cnonce="0a4f113b",
        )
        == "6629fae49393a05397450978507c4ef1"
    )


def test_rfc_7616_examples() -> None:
    nonce, cnonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    for algorithm, expected in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        ha1 = compute_ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
        assert (
            compute_response(algorithm, ha1, nonce, "GET", "/dir/index.html", qop="auth", nc="00000001", cnonce=cnonce)
            == expected
        )


def test_rfc_7616_example_for_sha_512_256() -> None:
    """RFC 7616 3.9.2 with the values of its erratum 4897: those of the RFC do not follow from its inputs."""
    user = "J\u00e4s\u00f8n Doe".encode().decode("latin-1")
    ha1 = compute_ha1("SHA-512-256", user, "api@example.org", "Secret, or not?")
    assert (
        compute_response(
            "SHA-512-256",
            ha1,
            "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            "GET",
            "/doe.json",
            qop="auth",
            nc="00000001",
            cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        )
        == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    )


def test_rfc_2617_without_qop_and_with_a_session() -> None:
    """The other forms of RFC 2617 3.2.2, computed with md5sum."""
    ha1 = compute_ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life")
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    assert ha1 == "939e7578ed9e3c518a452acee763bce9"
    assert compute_response("MD5", ha1, nonce, "GET", "/dir/index.html") == "670fd8c2df070c60b045671b8b24ff02"
    session = compute_ha1("MD5-sess", "Mufasa", "testrealm@host.com", "Circle Of Life", nonce, "0a4f113b")
    assert session == hashlib.md5(f"{ha1}:{nonce}:0a4f113b".encode()).hexdigest()


TEXT = st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n\0"), max_size=30)
TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCZ0123456789-_.", min_size=1, max_size=12)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for value in (text, f"Digest {text}", f'Digest realm="{text}"', f"Digest {text}={text}"):
        try:
            fields = parse_digest(value)
        except SipParseError:
            continue
        assert fields.is_digest or not fields.fields


@given(st.dictionaries(TOKEN.map(str.lower), TEXT, min_size=1, max_size=8), st.sampled_from([",", ", ", " ,\t", ",\r\n "]))
def test_what_was_written_is_read(fields: dict[str, str], comma: str) -> None:
    text = "Digest " + comma.join(f"{name}={quote(value)}" for name, value in fields.items())
    assert parse_digest(text).fields == fields


@given(TEXT, TEXT, TEXT, st.sampled_from(ALGORITHMS), st.sampled_from(["", "auth", "auth-int"]))
def test_an_answer_proves_the_password_whatever_the_texts(user: str, realm: str, nonce: str, algorithm: str, qop: str) -> None:
    challenge = DigestFields("Digest", {"realm": realm, "nonce": nonce, "algorithm": algorithm, "qop": qop})
    ha1 = compute_ha1(algorithm.removesuffix("-sess"), user, realm, "password")
    text = format_credentials(user, ha1, challenge, "INVITE", "sip:x", cnonce="c", body="b")
    if text is None:
        assert any(char < " " and char != "\t" or char == "\x7f" for char in realm + nonce)
        return
    answer = parse_digest(text)
    assert (answer.username, answer.realm, answer.nonce) == (user, realm, nonce) and is_valid_response(answer, ha1, "INVITE", "b")


def test_the_last_of_two_fields_counts_and_an_empty_token_is_none() -> None:
    assert parse_digest('Digest username="a", username="b"').username == "b"
    assert parse_digest("Digest").fields == {} and parse_digest("Digest").is_digest
    with pytest.raises(SipParseError):
        parse_digest("Digest nc=, qop=auth")


@pytest.mark.parametrize(("text", "wanted"), [
    ("", ()), ("md5", ("MD5",)), ("MD5, SHA-256,md5", ("SHA-256", "MD5")),
    ("MD5-sess,SHA-512-256-sess,SHA-512-256", ("SHA-512-256-sess", "SHA-512-256", "MD5-sess")),
])
def test_lists_of_algorithms(text: str, wanted: tuple[str, ...]) -> None:
    assert parse_algorithms(text) == wanted


@pytest.mark.parametrize("text", ["MD4", "MD5,", "MD5 SHA-256", "AKAv1-MD5"])
def test_bad_lists_of_algorithms(text: str) -> None:
    with pytest.raises(ValueError, match="unsupported"):
        parse_algorithms(text)


def test_a_response_is_compared_as_it_is() -> None:
    ha1 = compute_ha1("MD5", "u", "r", "p")
    text = format_credentials("u", ha1, parse_digest('Digest realm="r", nonce="n"'), "M", "sip:x")
    assert text is not None
    answer = parse_digest(text)
    for response in ((answer.response or "").upper(), (answer.response or "")[:-1], "", "\xff" * 32):
        answer.fields["response"] = response
        assert not is_valid_response(answer, ha1, "M")


def test_parse() -> None:
    fields = parse_digest(
        'Digest username="bob@b.org", realm="a \\"b\\"",nonce="n,1" , uri="sip:x", response="00", nc=00000001,\r\n qop=auth'
    )
    assert fields.is_digest and fields.username == "bob@b.org" and fields.user == "bob" and fields.domain == "b.org"
    assert (fields.realm, fields.nonce, fields.nc, fields.qop, fields.algorithm) == ('a "b"', "n,1", "00000001", "auth", None)
    assert parse_digest("Basic abc").fields == {} and not parse_digest("Basic abc").is_digest


@pytest.mark.parametrize("text", ["", "Digest x", 'Digest a="b', 'Digest realm="a" nonce="b"'])
def test_bad(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_digest(text)


@pytest.mark.parametrize("algorithm", [None, "MD5", "md5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"])
@pytest.mark.parametrize("qop", [None, "auth", "auth-int", "auth-int,auth"])
def test_challenge_and_answer(algorithm: str | None, qop: str | None) -> None:
    challenge = parse_digest(format_challenge("r", "n", qop=qop, algorithm=algorithm, stale=True, opaque="o"))
    name = canonical_algorithm(algorithm)
    assert name is not None and challenge.get("stale") == "true"
    ha1 = compute_ha1(name.removesuffix("-sess"), "u", "r", "p")
    text = format_credentials("u", ha1, challenge, "REGISTER", "sip:r", cnonce="c", body="body")
    assert text is not None
    answer = parse_digest(text)
    assert is_valid_response(answer, ha1, "REGISTER", "body") and not is_valid_response(answer, ha1, "INVITE", "body")
    assert is_valid_response(answer, ha1, "REGISTER", "other") == (qop != "auth-int")
    assert not is_valid_response(answer, ha1[::-1], "REGISTER", "body")


def test_unknown_algorithm() -> None:
    assert canonical_algorithm("CRC") is None
    assert not is_valid_response(
        DigestFields("Digest", {"algorithm": "CRC", "nonce": "n", "uri": "u", "response": "r"}), "x", "M"
    )
    assert format_credentials("u", "h", parse_digest('Digest realm="r", nonce="n", algorithm=CRC'), "M", "sip:x") is None
    assert format_challenge("r", "n") == 'Digest realm="r", nonce="n"'
