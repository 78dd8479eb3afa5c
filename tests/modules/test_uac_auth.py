"""uac_auth: credentials by realm, and answers to challenges, judged by our own auth module for each algorithm."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ConfigError, ConfigErrors
from engine.sip.digest import ALGORITHMS, compute_ha1, parse_digest
from engine.sip.message import Response, parse_message
from tests.helpers import Harness, Sent, make_reply, make_request
from tests.modules.auth_parts import HASHES, field
from tests.modules.parts import PartServer

CREDENTIAL = 'modparam("uac_auth", "credential", "alice:r.example:secret")\n'


def challenge(*values: str, code: int = 401) -> Response:
    """A reply with challenges."""
    name = "WWW-Authenticate" if code == 401 else "Proxy-Authenticate"
    reply = make_reply(make_request("REGISTER"), code, headers="".join(f"{name}: {value}\r\n" for value in values))
    return parse_message(reply)  # type: ignore[return-value]


def module(**params: Any) -> Any:
    """The module alone."""
    instance = PartServer().load("uac_auth", **({"credential": ["alice:r.example:secret"]} | params))
    instance.mod_init()
    return instance


def answered(instance: Any, *values: str, code: int = 401, **more: Any) -> list[str]:
    """The header lines for a reply."""
    text = instance.answer(challenge(*values, code=code), "REGISTER", "sip:r", **more)
    return [line for line in text.split("\r\n") if line]


def test_the_answer_names_what_it_was_made_of() -> None:
    line, = answered(module(), 'Digest realm="r.example", nonce="n", opaque="o", qop="auth-int,auth", algorithm=sha-256')
    fields = parse_digest(line.partition(": ")[2])
    assert line.startswith("Authorization: ") and (fields.username, fields.uri, fields.opaque) == ("alice", "sip:r", "o")
    assert (fields.qop, fields.nc, fields.algorithm) == ("auth", "00000001", "SHA-256") and (fields.cnonce or "").isdigit()
    assert answered(module(), 'Digest realm="r.example", nonce="n"', code=407)[0].startswith("Proxy-Authorization: ")


def test_nobody_can_tell_our_nonce_beforehand() -> None:
    first, second = (field(answered(module(), 'Digest realm="r.example", nonce="n", qop="auth"')[0], "cnonce") for _ in range(2))
    assert first != second


@pytest.mark.parametrize(("values", "nonces"), [
    (['Digest realm="other", nonce="1"'], []),
    (['Digest realm="other", nonce="1"', 'Digest realm="r.example", nonce="2"'], ["2"]),
    (['Digest realm="r.example", nonce="1", algorithm=SHA-3', 'Digest realm="r.example", nonce="2"'], ["2"]),
    (['Basic realm="r.example"', "Digest x", 'Digest realm="r.example", nonce="2"'], ["2"]),
    (['Digest realm="r.example", nonce="1", algorithm=SHA-256', 'Digest realm="r.example", nonce="2"'], ["1"]),
    (['Digest realm="r.example", nonce="1"', 'Digest realm="b", nonce="2"'], ["1", "2"]),
    (['Digest realm="r.example", nonce="1", qop="new"'], ["1"]), (['Digest realm="r.example"'], []), ([], []),
])
def test_which_challenges_are_answered(values: list[str], nonces: list[str]) -> None:
    made = module(credential=["alice:r.example:secret", "bob:b:pw"])
    assert [field(line, "nonce") for line in answered(made, *values)] == nonces


def test_the_algorithms_may_be_limited() -> None:
    offered = ('Digest realm="r.example", nonce="1", algorithm=SHA-256', 'Digest realm="r.example", nonce="2"')
    assert field(answered(module(), *offered, algorithms=("MD5",))[0], "nonce") == "2"
    assert answered(module(), offered[0], algorithms=("MD5",)) == []


@pytest.mark.parametrize("name", HASHES)
def test_a_hash_in_the_place_of_the_password_serves_its_own_algorithm(name: str) -> None:
    plain, hashed = module(), module(credential=[f"alice:r.example:0x{compute_ha1(name, 'alice', 'r.example', 'secret')}"])
    for algorithm in HASHES:
        offered = f'Digest realm="r.example", nonce="1", algorithm={algorithm}'
        lines = answered(hashed, offered)
        if algorithm == name:
            assert lines == answered(plain, offered)
        elif "MD5" in (algorithm, name):
            assert lines == []


def test_avps_come_before_parameters_and_only_for_their_realm() -> None:
    made = module(auth_realm_avp="$avp(r)", auth_username_avp="$avp(u)", auth_password_avp="$avp(p)")
    offered = 'Digest realm="r.example", nonce="1"'
    avps: dict[str, list[Any]] = {"r": ["old", "r.example"], "u": [1001], "p": ["x"]}
    assert field(answered(made, offered, avps=avps)[0], "username") == "1001"
    for change in ({"r": ["other"]}, {"u": []}, {"p": [""]}):
        assert field(answered(made, offered, avps=avps | change)[0], "username") == "alice"
    assert made.credential("nobody", avps) is None


@pytest.mark.parametrize("params", [
    {"credential": ["alice:hush"]}, {"credential": ["alice::hush"]}, {"credential": ["a b:r:hush"]},
    {"auth_realm_avp": "$avp(r)"},
    {"auth_realm_avp": "$var(r)", "auth_username_avp": "$avp(u)", "auth_password_avp": "$avp(p)"},
])
def test_bad_parameters_are_refused_and_no_password_is_shown(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        module(**params)
    assert "hush" not in str(error.value)


# ---- our client against our server ----

SERVER = """
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "auth.so"
modparam("auth", "username_spec", "$avp(user)")
modparam("auth", "password_spec", "$avp(password)")
modparam("auth", "calculate_ha1", 1)
route {
    $avp(user) = "alice"; $avp(password) = "secret";
    %s_authorize("r.example");
    $var(rc) = $rc;
    xlog("XL|$rm $cs $var(rc)\\n");
    if ($var(rc) < 0) { %s_challenge("r.example"%s); exit; }
    sl_send_reply(200, "Welcome");
}
"""
CLIENT = """
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "uac_auth.so"
loadmodule "uac.so"
""" + CREDENTIAL + """
route { record_route(); t_on_failure("f"); t_relay(); }
failure_route[f] { t_on_failure("f"); if (uac_auth()) t_relay(); }
"""


def converse(client: Harness, server: Harness, text: str) -> Sent:
    """Carry messages between the two until the caller has a final answer."""
    out = client.send(text)
    for _ in range(6):
        final = [one for one in out if one.port == 5070 and one.first_line.startswith("SIP/2.0")]
        if final and not final[-1].first_line.startswith("SIP/2.0 100"):
            return final[-1]
        replies = [reply for one in out if one.port == 5090 for reply in server.send(one.text, ("127.0.0.1", 5060))]
        out = [sent for reply in replies for sent in client.send(reply.text, ("127.0.0.1", 5090))]
    raise AssertionError("no final answer")


@pytest.mark.parametrize("way", ["www", "proxy"])
@pytest.mark.parametrize(("qop", "algorithm"), [
    ("", ""), ('"auth"', ""), ('"auth-int"', ""), ('"auth,auth-int"', ""), ("", ", ".join(ALGORITHMS)),
    *[(qop, algorithm) for algorithm in ALGORITHMS for qop in ('"auth"', '"auth-int"')],
])
def test_our_answers_satisfy_our_challenges(way: str, qop: str, algorithm: str) -> None:
    offered = f', {qop or ""}' if qop or algorithm else ""
    offered += f', "{algorithm}"' if algorithm else ""
    body = "a body with 27 characters\r\n"
    with Harness(CLIENT) as client, Harness(SERVER % (f"pv_{way}", way, offered)) as server:
        request = make_request("MESSAGE", "sip:bob@127.0.0.1:5090", cseq=7, headers="Content-Type: text/plain\r\n", body=body)
        reply = converse(client, server, request)
        assert reply.first_line == "SIP/2.0 200 Welcome" and reply.header("CSeq") == "7 MESSAGE"
        assert server.xlog() == ["MESSAGE 7 -4", "MESSAGE 8 1"]


def test_a_wrong_password_is_tried_until_the_script_gives_up() -> None:
    script = CLIENT.replace("alice:r.example:secret", "alice:r.example:wrong").replace('t_on_failure("f"); if', "if")
    with Harness(script) as client, Harness(SERVER % ("pv_www", "www", "")) as server:
        reply = converse(client, server, make_request("MESSAGE", "sip:bob@127.0.0.1:5090"))
        assert reply.first_line == "SIP/2.0 401 Unauthorized" and reply.header("CSeq") == "1 MESSAGE"
        assert server.xlog() == ["MESSAGE 1 -4", "MESSAGE 2 -2"]


def test_without_its_module_uac_auth_refuses_to_start() -> None:
    with pytest.raises((ConfigError, ConfigErrors), match="uac_auth"):
        Harness(CLIENT.replace('loadmodule "uac_auth.so"\n', "").replace(CREDENTIAL, ""))
