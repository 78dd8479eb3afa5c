"""Digest authentication against the examples of RFC 2617 and RFC 7616."""

import pytest

from engine.errors import SipParseError
from engine.sip.digest import (
    DigestFields,
    canonical_algorithm,
    compute_ha1,
    compute_response,
    format_challenge,
    format_credentials,
    is_valid_response,
    parse_digest,
)


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


def test_parse() -> None:
    fields = parse_digest(
        'Digest username="bob@b.org", realm="a \\"b\\"",nonce="n,1" , uri="sip:x", response="00", nc=00000001,\r\n qop=auth'
    )
    assert fields.is_digest and fields.username == "bob@b.org" and fields.user == "bob" and fields.domain == "b.org"
    assert (fields.realm, fields.nonce, fields.nc, fields.qop, fields.algorithm) == ('a "b"', "n,1", "00000001", "auth", None)
    assert parse_digest("Basic abc").fields == {} and not parse_digest("Basic abc").is_digest


@pytest.mark.parametrize("text", ["", "Digest", "Digest x", 'Digest a="b', 'Digest realm="a" nonce="b"'])
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
