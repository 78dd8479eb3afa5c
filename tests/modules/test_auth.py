"""auth: challenges, nonces that are good once and for a while, the judgement of credentials, and what goes with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError, ConfigErrors
from engine.sip.digest import ALGORITHMS
from modules.auth.nonce import QOPS, Nonces
from tests.helpers import Harness, Sent, make_request
from tests.modules.auth_parts import MODULES, credentials, field
from tests.modules.parts import FakeClock

PARAMS = (
    'modparam("auth", "username_spec", "$avp(user)")\nmodparam("auth", "password_spec", "$avp(password)")\n'
    'modparam("auth", "calculate_ha1", 1)\n'
)
JUDGE = """
    $avp(user) = "alice"; $avp(password) = "secret";
    pv_www_authorize("r.example");
    $var(rc) = $rc;
    xlog("XL|$var(rc) $Au\\n");
    if ($var(rc) < 0) { www_challenge("r.example"%s); exit; }
    sl_send_reply(200, "Welcome");
"""


class Door(Harness):
    """A script that lets alice in, and phones that knock."""

    def __init__(self, main: str = JUDGE % "", params: str = PARAMS, more: str = "") -> None:
        super().__init__(f"{MODULES}{params}\nroute {{\n{main}\n}}\n{more}")
        self.count = 0

    def knock(self, answer: str = "", method: str = "INFO", name: str = "Authorization", **more: Any) -> Sent | None:
        """A request with credentials; the reply."""
        self.count += 1
        headers = f"{name}: {answer}\r\n" if answer else ""
        sent = self.send(make_request(method, "sip:x", call_id=f"c{self.count}", headers=headers, **more))
        return sent[-1] if sent else None

    def said(self, answer: str = "", **more: Any) -> str:
        """Code and reason of the reply to that."""
        reply = self.knock(answer, **more)
        return reply.first_line.removeprefix("SIP/2.0 ") if reply is not None else ""

    def challenge(self, **more: Any) -> str:
        """The (first) challenge to a request without credentials."""
        reply = self.knock(**more)
        assert reply is not None
        return reply.header("WWW-Authenticate") or reply.header("Proxy-Authenticate") or ""

    @property
    def codes(self) -> list[str]:
        """The return codes so far."""
        return [line.split(" ")[0] for line in self.xlog()]


def test_the_right_password_opens_the_door_once() -> None:
    with Door() as door:
        answer = credentials(door.challenge())
        assert door.said(answer) == "200 Welcome"
        again = door.knock(answer)
        assert again is not None and field(again.header("WWW-Authenticate") or "", "stale") == "true"
        assert door.codes == ["-4", "1", "-3"]
        assert door.xlog()[1] == "1 alice@r.example"


@pytest.mark.parametrize(("more", "code"), [
    ({"password": "wrong"}, "-2"), ({"user": "bob"}, "-1"), ({"user": "ALICE"}, "1"), ({"response": "0" * 31}, "-2"),
    ({"nonce": "x"}, "-3"), ({"nonce": "A" * 44}, "-3"), ({"realm": "other"}, "-4"), ({"qop": "auth"}, "-3"),
    ({"method": "BYE"}, "-2"), ({"uri": "sip:y"}, "1"),
])
def test_codes(more: dict[str, Any], code: str) -> None:
    with Door() as door:
        challenge = door.challenge()
        if more.get("user") == "ALICE":
            more = {"user": "alice", "username": "alice"}
        door.knock(credentials(challenge, **more))
        assert door.codes[-1] == code


def test_a_realm_is_compared_without_regard_to_case_but_hashed_as_the_script_has_it() -> None:
    with Door() as door:
        door.knock(credentials(door.challenge(), realm="R.EXAMPLE"))
        assert door.codes[-1] == "1"


def test_only_ascii_letters_have_a_case() -> None:
    main = JUDGE.replace('"alice"', '"\u00c3\u0084"') % ""
    for user, code in (("\u00c3\u0084", "1"), ("\u00e3\u0084", "-1")):
        with Door(main) as door:
            door.knock(credentials(door.challenge(), user=user))
            assert door.codes[-1] == code


def test_ack_and_cancel_cannot_be_challenged() -> None:
    with Door('pv_www_authorize(""); xlog("XL|$rc\\n"); consume_credentials(); xlog("XL|$rc\\n");') as door:
        assert door.knock(method="ACK") is None and door.knock(method="CANCEL") is None
        assert door.codes == ["1", "-1", "1", "-1"]


@pytest.mark.parametrize("value", [
    "Digest realm", 'Digest realm="r.example"', 'Digest username="a", realm="r.example", nonce="n", uri="u"', "Digest nc=,",
])
def test_malformed_credentials_are_answered_400_and_end_the_script(value: str) -> None:
    with Door() as door:
        assert door.said(value) == "400 Bad Request"
        assert door.codes == []


def test_other_schemes_and_unknown_algorithms_are_passed_over() -> None:
    with Door() as door:
        good = credentials(door.challenge())
        foreign = good + ", algorithm=MD6"
        assert door.said(f"Basic abc\r\nAuthorization: {foreign}\r\nAuthorization: {good}") == "200 Welcome"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_algorithms_and_qops(algorithm: str, qop: str) -> None:
    with Door(JUDGE % f', "{qop}", "{algorithm.lower()}"') as door:
        challenge = door.challenge(body="hello")
        assert (field(challenge, "algorithm"), field(challenge, "qop")) == (algorithm, qop)
        assert door.said(credentials(challenge, body="hello"), body="hello") == "200 Welcome"
        door.knock(credentials(door.challenge(), body="hello"), body="other")
        assert door.codes[-1] == ("-2" if qop == "auth-int" else "1")


def test_a_nonce_is_for_the_algorithm_and_qop_it_was_offered_with() -> None:
    with Door(JUDGE % ', "auth", "SHA-256"') as door:
        strong = door.challenge()
        assert door.knock(credentials(strong.replace("SHA-256", "MD5"))) is not None
        assert door.codes[-1] == "-3"
        door.knock(credentials(door.challenge(), qop="auth-int"))
        assert door.codes[-1] == "-3"
        door.knock(credentials(door.challenge(), qop=""))
        assert door.codes[-1] == "1"  # a client of RFC 2069 leaves qop out


def test_several_algorithms_give_several_challenges_the_strongest_first() -> None:
    with Door('www_challenge("r", , "MD5,SHA-512-256,sha-256,MD5");') as door:
        reply = door.knock()
        assert reply is not None
        found = [line for line in reply.text.split("\r\n") if line.startswith("WWW-Authenticate")]
        assert [field(line, "algorithm") for line in found] == ["SHA-512-256", "SHA-256", "MD5"]
        assert {field(line, "qop") for line in found} == {"auth"} and len({field(line, "nonce") for line in found}) == 3


def test_both_qops_are_named_in_reverse_and_either_may_answer() -> None:
    with Door(JUDGE % ', "auth,auth-int"') as door:
        challenge = door.challenge()
        assert 'qop="auth-int,auth"' in challenge
        for qop in ("auth", "auth-int", ""):
            door.knock(credentials(door.challenge(), qop=qop))
            assert door.codes[-1] == "1"


def test_a_nonce_expires() -> None:
    with Door(params=PARAMS + 'modparam("auth", "nonce_expire", 3)\n') as door:
        answer = credentials(door.challenge())
        door.advance(3.1)
        door.knock(answer)
        assert door.codes[-1] == "-3"


def test_without_nonce_check_a_nonce_serves_until_it_expires() -> None:
    with Door(params=PARAMS + 'modparam("auth", "disable_nonce_check", 1)\n') as door:
        answer = credentials(door.challenge())
        for wait in (0, 20, 9):
            door.advance(wait)
            door.knock(answer)
            assert door.codes[-1] == "1"
        door.advance(2)
        door.knock(answer)
        assert door.codes[-1] == "-3"


def test_servers_with_one_secret_know_each_others_nonces() -> None:
    param = PARAMS + f'modparam("auth", "secret", "{"s" * 32}")\n'
    with Door(params=param) as first, Door(params=param) as second, Door() as third:
        answer = credentials(first.challenge())
        second.knock(answer)
        third.knock(answer)
        assert (second.codes[-1], third.codes[-1]) == ("1", "-3")


def test_the_realm_comes_from_the_request_less_its_prefix() -> None:
    main = 'if ($rm == "INFO") { proxy_challenge(""); } else { www_challenge(""); }'
    with Door(main, 'modparam("auth", "realm_prefix", "exam")\n') as door:
        assert field(door.challenge(), "realm") == "ple.com"
        assert field(door.challenge(method="REGISTER"), "realm") == "ple.com"
    with Door('$avp(user) = "alice"; pv_www_authorize(""); xlog("XL|$rc\\n");') as door:
        door.knock()
        assert door.codes == ["-4"]


def test_without_user_or_password_there_is_no_judgement() -> None:
    for main, params in (
        ('pv_www_authorize("r.example"); xlog("XL|$rc\\n"); www_challenge("r.example");', PARAMS),
        ('pv_www_authorize("r.example"); xlog("XL|$rc\\n"); www_challenge("r.example");', ""),
    ):
        with Door(main, params) as door:
            answer = credentials(door.challenge())
            assert door.said(answer) == "500 Server Internal Error"
            assert door.codes == ["-4"]


HASHED = (
    '$avp(user) = "alice"; $avp(password) = "%s"; pv_www_authorize("r.example"); xlog("XL|$rc\\n"); '
    'www_challenge("r.example");'
)


@pytest.mark.parametrize(("password", "sent", "code"), [
    ("5ebe2294ecd0e0f08eab7690d2a6ee69", "x", "-2"), ("", "", "-2"), ("short", "short", "-2"),
])
def test_no_hash_but_the_right_one_is_good(password: str, sent: str, code: str) -> None:
    with Door(HASHED % password, PARAMS.replace('"calculate_ha1", 1', '"calculate_ha1", 0')) as door:
        door.knock(credentials(door.challenge(), password=sent))
        assert door.codes[-1] == code


def test_a_hash_serves_in_either_case_of_letters() -> None:
    import hashlib

    ha1 = hashlib.md5(b"alice:r.example:secret").hexdigest().upper()
    with Door(HASHED % ha1, PARAMS.replace('"calculate_ha1", 1', '"calculate_ha1", 0')) as door:
        door.knock(credentials(door.challenge()))
        assert door.codes[-1] == "1"


def test_an_empty_password_is_never_right() -> None:
    main = JUDGE.replace('"secret"', '""') % ""
    with Door(main) as door:
        door.knock(credentials(door.challenge(), password=""))
        assert door.codes[-1] == "-2"


def test_credentials_are_consumed() -> None:
    main = """
        $avp(user) = "alice"; $avp(password) = "secret"; $avp(rpid) = "sip:+4930123@x";
        if (!pv_proxy_authorize("r.example")) { proxy_challenge("r.example"); exit; }
        consume_credentials(); xlog("XL|$rc\\n"); is_rpid_user_e164(); xlog("XL|$rc\\n"); append_rpid_hf(); xlog("XL|$rc\\n");
        append_rpid_hf("<", ">;x"); xlog("XL|$rc\\n"); append_rpid_hf("<"); xlog("XL|$rc\\n");
        $du = "sip:127.0.0.1:5090"; forward();
    """
    with Door(main) as door:
        answer = credentials(door.challenge())
        sent = door.knock(f"{answer}\r\nX-After: 1", name="Proxy-Authorization")
        assert sent is not None and "Proxy-Authorization" not in sent.text and sent.header("X-After") == "1"
        assert re.findall(r"Remote-Party-ID: (.*)\r\n", sent.text) == [
            "sip:+4930123@x;party=calling;id-type=subscriber;screen=yes", "<sip:+4930123@x>;x"]
        assert door.codes == ["1", "1", "1", "1", "-1"]


@pytest.mark.parametrize(("value", "code"), [
    ('"sip:+49301@x"', 1), ('"\\"A\\" <sip:+49301@x>"', 1), ('"sip:49301@x"', -1), ('"sip:+1@x"', -1), ('"nonsense"', -1),
    ('"sip:+1234567890123456@x"', -1), ("5", -1), ("NULL", -1),
])
def test_e164(value: str, code: int) -> None:
    with Door(f'$avp(rpid) = {value}; is_rpid_user_e164(); xlog("XL|$rc\\n");') as door:
        door.knock()
        assert door.codes == [str(code)]


@pytest.mark.parametrize("params", [
    'modparam("auth", "secret", "short")', 'modparam("auth", "username_spec", "$nosuch")',
    'modparam("auth", "password_spec", "$null")', 'modparam("auth", "rpid_avp", "$var(x)")',
    'modparam("auth", "nonce_expire", 0)',
])
def test_bad_parameters(params: str) -> None:
    with pytest.raises((ConfigError, ConfigErrors)):
        Door(params=params + "\n")


@pytest.mark.parametrize("call", [
    'www_challenge("r", "0")', 'www_challenge("r", "auth", "CRC")', 'proxy_challenge("r", "auth,")',
])
def test_bad_calls(call: str) -> None:
    with pytest.raises((ConfigError, ConfigErrors)):
        Door(f"{call};")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n\0"), max_size=60), st.integers(0, 200))
def test_whatever_stands_in_authorization_there_is_one_answer(noisy_door: Door, noise: str, place: int) -> None:
    good = credentials(noisy_door.challenge())
    for value in (noise, f"Digest {noise}", f'Digest realm="r.example", {noise}', good[:place] + noise + good[place:]):
        reply = noisy_door.knock(value)
        assert reply is not None and reply.first_line[8:11] in ("200", "400", "401")
    assert not [line for line in noisy_door.log if "unexpected" in line or "Traceback" in line]


@pytest.fixture(scope="module")
def noisy_door() -> Iterator[Door]:
    """One server for many attempts."""
    with Door() as door:
        yield door


# ---- nonces by themselves ----


def nonces(clock: FakeClock, secret: bytes = b"s" * 32, lifetime: int = 30, once: bool = True) -> Nonces:
    return Nonces(secret, lifetime, once, clock)


def test_a_nonce_says_what_it_was_made_for() -> None:
    made = nonces(FakeClock())
    for algorithm in ALGORITHMS:
        for qop in QOPS:
            text = made.issue(algorithm, qop)
            read = made.read(text)
            assert len(text) == 44 and read is not None and (read.algorithm, read.qop) == (algorithm, qop)


def test_a_nonce_with_any_other_character_is_foreign() -> None:
    made = nonces(FakeClock())
    text = made.issue("MD5", "auth")
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        assert made.read(text[:place] + other + text[place + 1:]) is None
    assert made.read(text + "\n") is None and made.read("ä" * 44) is None and nonces(FakeClock(), b"t" * 32).read(text) is None


def test_used_nonces_are_remembered_until_they_end_and_no_longer() -> None:
    clock = FakeClock()
    made = nonces(clock)
    for _ in range(40):
        taken = made.read(made.issue("MD5", ""))
        assert taken is not None and made.use(taken)
        for step in (0.0, 10.0, 10.0, 9.0):
            clock.time += step
            assert not made.use(taken)
    assert len(made._used) + len(made._used_before) <= 3


def test_a_clock_that_is_set_back_forgets_nothing() -> None:
    clock = FakeClock()
    made = nonces(clock)
    taken = made.read(made.issue("MD5", ""))
    clock.time += 20
    assert taken is not None and made.use(taken)
    clock.time -= 15
    assert not made.use(taken)


def test_nonces_of_an_earlier_process_are_refused_where_they_are_good_once() -> None:
    clock = FakeClock()
    old = nonces(clock).issue("MD5", "")
    clock.time += 1
    for once in (True, False):
        fresh = nonces(clock, once=once)
        taken = fresh.read(old)
        assert taken is not None and fresh.use(taken) is not once
