"""uac: other names in From and To, both ways through a call, and CSeq numbers that fit on both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, ConfigErrors
from engine.server import dbtool
from engine.sip.edits import Edits
from engine.sip.message import parse_message
from modules.uac.answering import sent_body
from modules.uac.names import MAX_URI, address_span, display_name, keep, other_name, renamed
from modules.uac.numbers import present_number, renumber
from tests.helpers import Harness, Sent, make_reply, make_request

ALICE, BOB = ("127.0.0.1", 5070), ("127.0.0.1", 5090)
MODULES = 'loadmodule "sl.so"\nloadmodule "tm.so"\nloadmodule "rr.so"\nloadmodule "uac_auth.so"\nloadmodule "uac.so"\n'
CREDENTIAL = 'modparam("uac_auth", "credential", "alice:r.example:secret")\n'
IN_DIALOG = "if (has_totag()) { loose_route(); %s t_relay(); exit; }\n"


class Calls(Harness):
    """alice calls bob through a script."""

    def __init__(self, main: str, params: str = "", more: str = "", within: str = "", modules: str = "") -> None:
        super().__init__(
            f'{MODULES}{modules}loadmodule "sipmsgops.so"\n{CREDENTIAL}{params}\n'
            f"route {{ {IN_DIALOG % within} record_route();\n{main}\nt_relay(); }}\n{more}")

    def call(  # type: ignore[override]
        self, method: str = "INVITE", from_: str = '"Alice" <sip:alice@example.com>', **more: Any,
    ) -> Sent:
        """The request as bob gets it."""
        text = make_request(method, "sip:bob@127.0.0.1:5090", **more)
        return self._to(BOB, self.send(text.replace("From: <sip:alice@example.com>", f"From: {from_}"), ALICE))

    @staticmethod
    def _to(whom: tuple[str, int], sent: list[Sent]) -> Sent:
        return [one for one in sent if (one.ip, one.port) == whom][-1]

    def reply(self, request: Sent, code: int = 200, headers: str = "") -> Sent:
        """bob's reply as alice gets it."""
        return self._to(ALICE, self.send(make_reply(request.text, code, headers=headers), BOB))

    def follow(
        self, invite: Sent, method: str, *, cseq: int, from_bob: bool = False, from_: str = "", to: str = "",
    ) -> Sent:
        """A request inside the dialog as the other side gets it."""
        routes = f"Route: {invite.header('Record-Route')}\r\n"
        mine, theirs = (BOB, ALICE) if from_bob else (ALICE, BOB)
        lines = [
            f"{method} sip:x@{theirs[0]}:{theirs[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {mine[0]}:{mine[1]};branch=z9hG4bK-{method}{cseq}", "Max-Forwards: 70",
            f"From: {from_ or '<sip:alice@example.com>'};tag={'b1' if from_bob else 'a1'}",
            f"To: {to or '<sip:bob@example.com>'};tag={'a1' if from_bob else 'b1'}", "Call-ID: call-1", f"CSeq: {cseq} {method}",
        ]
        text = "\r\n".join(lines) + f"\r\n{routes}Content-Length: 0\r\n\r\n"
        return self._to(theirs, self.send(text, mine))

    def answer_within(self, request: Sent, from_bob: bool = False) -> Sent:
        """The 200 to it, as its sender gets it."""
        mine, theirs = (BOB, ALICE) if from_bob else (ALICE, BOB)
        return self._to(mine, self.send(make_reply(request.text, 200), theirs))


# ---- names ----


@pytest.mark.parametrize(("from_", "display", "uri", "wanted"), [
    ('"Al" <sip:a@b>', "X", "sip:n@m", "X <sip:n@m>"), ('"Al" <sip:a@b>', None, "sip:n@m", '"Al" <sip:n@m>'),
    ('"Al" <sip:a@b>', "", "sip:n@m", " <sip:n@m>"), ('"Al" <sip:a@b>', "", "", " <sip:a@b>"),
    ("<sip:a@b>", "X Y", "", '"X Y" <sip:a@b>'),
    ("sip:a@b", "X", "", "X <sip:a@b>"), ("sip:a@b", "X", "sip:n@m", "X<sip:n@m>"), ("sip:a@b", None, "sip:n@m", "<sip:n@m>"),
    ("Al Bo  <sip:a@b>", "X", None, "X  <sip:a@b>"), ('"<x>" <sip:a@b>', None, "sip:n@m", '"<x>" <sip:n@m>'),
])
def test_what_an_address_becomes(from_: str, display: str | None, uri: str | None, wanted: str) -> None:
    assert renamed(from_, None if display is None else display_name(display), uri) == wanted


USER = st.text(st.characters(max_codepoint=255, blacklist_characters='<>"\\;,', min_codepoint=33), min_size=1, max_size=40)


@given(USER, USER, st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=10))
def test_each_end_finds_the_other_name(user: str, other: str, password: str) -> None:
    old, new = f"sip:{user.replace('@', '')}@h", f"sip:{other.replace('@', '')}@host.example"
    kept = keep(old, f"<{new}>", password)
    there, back = other_name(kept, old, password), other_name(kept, f"<{new}>", password)
    assert there in (None, f"<{new}>") and back in (None, old)  # None: what is no URI is not given back
    if user.isalnum() and other.isalnum() and user.isascii() and other.isascii():
        assert (there, back) == (f"<{new}>", old)


@given(st.text(max_size=60), st.text(st.characters(max_codepoint=255), max_size=40))
def test_what_a_stranger_writes_into_a_route_never_ends_a_line(kept: str, present: str) -> None:
    found = other_name(kept, present, "")
    assert found is None or not set(found) & set("\r\n\0")


@pytest.mark.parametrize(("password", "kept"), [
    ("", "TxoZSlsCDBQlKAwcBQgeQgBWAgIdbGU+"), ("geheim", "KH9xLzJva3FNTWVxYm12J2k7ZWd1CQxT"),
])
def test_the_format_is_that_of_opensips(password: str, kept: str) -> None:
    """Parameters that OpenSIPS 3.6.8 has written."""
    assert keep("sip:alice@example.com", "<sip:new@hidden.example>", password) == kept
    assert other_name(kept, "sip:alice@example.com", password) == "<sip:new@hidden.example>"
    with pytest.raises(ValueError, match="1024"):
        keep("sip:" + "a" * MAX_URI, "<sip:x>", "")


MAIN = """
    uac_replace_from("New Name", "sip:new@hidden.example"); xlog("XL|$rc\\n");
    uac_replace_to( , "sip:t@hidden.example"); xlog("XL|$rc\\n");
"""
NEW_FROM, NEW_TO = "<sip:new@hidden.example>;tag=a1", "<sip:t@hidden.example>;tag=b1"
OLD_FROM = '"Alice" <sip:alice@example.com>;tag=a1'


@pytest.mark.parametrize("params", [
    "", 'modparam("uac", "restore_passwd", "geheim")\nmodparam("uac", "rr_from_store_param", "Mine")\n',
])
def test_a_call_under_other_names(params: str) -> None:
    with Calls(MAIN, params) as server:
        invite = server.call()
        assert (invite.header("From"), invite.header("To")) == ('"New Name" ' + NEW_FROM, "<sip:t@hidden.example>")
        reply = server.reply(invite)
        assert (reply.header("From"), reply.header("To")) == (OLD_FROM, "<sip:bob@example.com>;tag=b1")
        ack = server.follow(invite, "ACK", cseq=1)
        assert (ack.header("From"), ack.header("To")) == (NEW_FROM, NEW_TO)
        info = server.follow(
            invite, "INFO", cseq=9, from_bob=True, from_="<sip:t@hidden.example>", to='"N" <sip:new@hidden.example>')
        assert (info.header("From"), info.header("To")) == ("<sip:bob@example.com>;tag=b1", '"N" <sip:alice@example.com>;tag=a1')
        done = server.answer_within(info, True)
        assert (done.header("From"), done.header("To")) == (NEW_TO, f'"N" {NEW_FROM}')
        assert server.xlog() == ["1", "1"]


def test_the_ack_of_a_failure_and_the_cancel_keep_the_other_name() -> None:
    with Calls(MAIN) as server:
        invite = server.call()
        out = server.send(make_reply(invite.text, 486), BOB)
        ack = [one for one in out if one.first_line.startswith("ACK")][0]
        assert ack.header("From") == '"New Name" <sip:new@hidden.example>;tag=a1'
        assert [one for one in out if one.first_line.startswith("SIP/2.0 486")][0].header("From") == OLD_FROM


def test_nothing_is_put_right_with_mode_none() -> None:
    with Calls(MAIN, 'modparam("uac", "restore_mode", "none")\n') as server:
        invite = server.call()
        assert "vsf" not in (invite.header("Record-Route") or "")
        assert server.reply(invite).header("From") == '"New Name" <sip:new@hidden.example>;tag=a1'


def test_manual_mode_leaves_later_requests_to_the_script() -> None:
    within = 'uac_restore_from(); xlog("XL|$rc\\n"); uac_restore_to(); xlog("XL|$rc\\n");'
    main = 'uac_replace_from("New Name", "sip:new@hidden.example");'
    with Calls(main, 'modparam("uac", "restore_mode", "manual")\n', within=within) as server:
        invite = server.call()
        assert server.reply(invite).header("From") == '"Alice" <sip:alice@example.com>;tag=a1'
        assert server.follow(invite, "BYE", cseq=2).header("From") == "<sip:new@hidden.example>;tag=a1"
        assert server.xlog() == ["1", "-1"]


@pytest.mark.parametrize("route", [
    "<sip:127.0.0.1;lr;vsf=AAAA>", "<sip:127.0.0.1;lr;vsf=!!>", "<sip:127.0.0.1;lr;vsf=>", "<sip:127.0.0.1;lr;vsf>",
    # "<sip:x>\r\nEvil: 1" in place of the URI
    "<sip:127.0.0.1;lr;vsf=" + keep("sip:alice@example.com", "<sip:x@hidden.example>\r\nE: 1", "") + ">",
])
def test_a_forged_route_changes_nothing(route: str) -> None:
    with Calls(MAIN) as server:
        invite = server.call()
        forged = Sent(invite.text.replace(invite.header("Record-Route") or "?", route), *invite[1:])
        bye = server.follow(forged, "BYE", cseq=2)
        assert bye.header("From") == "<sip:alice@example.com>;tag=a1" and "\r\nE: 1" not in bye.text


def test_names_are_changed_once_in_the_request_route_and_never_inside_a_dialog() -> None:
    main = 'uac_replace_from("A", "sip:a@b"); xlog("XL|$rc\\n"); uac_replace_from("B", "sip:c@d"); xlog("XL|$rc\\n");'
    within = 'uac_replace_from("A", "sip:a@b"); xlog("XL|$rc\\n"); uac_replace_from("C D", ""); xlog("XL|$rc\\n");'
    with Calls(main, within=within) as server:
        invite = server.call()
        assert invite.header("From") == "A <sip:a@b>;tag=a1"
        bye = server.follow(invite, "BYE", cseq=2, from_='"X" <sip:alice@example.com>')
        assert bye.header("From") == '"C D" <sip:a@b>;tag=a1'
        assert server.xlog() == ["1", "-10", "-1", "1"]


def test_each_branch_may_have_its_own_name() -> None:
    main = 'uac_replace_from("All", "sip:all@x"); append_msg_branch("sip:carol@127.0.0.1:5091"); t_on_branch("b");'
    more = 'branch_route[b] { if ($T_branch_idx == 1) uac_replace_from( , "sip:one@x"); }'
    with Calls(main, more=more) as server:
        sent = server.send(make_request("INVITE", "sip:bob@127.0.0.1:5090"), ALICE)
        first, second = [one for one in sent if one.first_line.startswith("INVITE")]
        assert (first.header("From"), second.header("From")) == ("All <sip:all@x>;tag=a1", "All <sip:one@x>;tag=a1")
        server.send(make_reply(first.text, 486), ("127.0.0.1", 5090))
        server.send(make_reply(second.text, 200), ("127.0.0.1", 5091))
        bye = server.follow(Sent(second.text, *second[1:]), "BYE", cseq=2)
        assert bye.header("From") == "<sip:one@x>;tag=a1"


def test_what_would_end_the_line_is_refused() -> None:
    with Calls('$var(x) = "sip:a@b>\\r\\nEvil: 1"; uac_replace_from("x", $var(x)); xlog("XL|$rc\\n");') as server:
        assert "Evil" not in server.call().text and server.xlog() == ["-1"]


# ---- numbers ----

CHALLENGE = 'WWW-Authenticate: Digest realm="r.example", nonce="%s", qop="auth"\r\n'
AGAIN = """
    failure_route[f] {
        t_on_failure("f");
        uac_auth();
        $var(rc) = $rc;
        xlog("XL|$var(rc)\\n");
        if ($var(rc) > 0) t_relay();
    }
"""


def challenged(server: Calls, request: Sent, nonce: str = "n") -> Sent:
    """bob challenges; the request as it comes again."""
    return server._to(BOB, server.send(make_reply(request.text, 401, headers=CHALLENGE % nonce), BOB))


def test_a_call_with_an_answer_to_a_challenge_counts_one_up_to_its_end() -> None:
    with Calls('t_on_failure("f");', more=AGAIN) as server:
        first = server.call(cseq=5)
        invite = challenged(server, first)
        assert invite.first_line == first.first_line and invite.header("CSeq") == "6 INVITE"
        assert "response=" in (invite.header("Authorization") or "")
        assert server.reply(invite, 180).header("CSeq") == "5 INVITE"
        assert server.reply(invite).header("CSeq") == "5 INVITE"
        assert server.follow(invite, "ACK", cseq=5).header("CSeq") == "6 ACK"
        info = server.follow(invite, "INFO", cseq=9, from_bob=True)
        assert info.header("CSeq") == "9 INFO" and server.answer_within(info, True).header("CSeq") == "9 INFO"
        bye = server.follow(invite, "BYE", cseq=6)
        assert bye.header("CSeq") == "7 BYE" and server.answer_within(bye).header("CSeq") == "6 BYE"


def test_each_further_answer_has_a_higher_number() -> None:
    with Calls('t_on_failure("f");', more=AGAIN) as server:
        invite = challenged(server, challenged(server, server.call()), "m")
        assert invite.header("CSeq") == "3 INVITE" and 'nonce="m"' in (invite.header("Authorization") or "")
        assert invite.text.count("Authorization:") == 1
        assert server.reply(invite).header("CSeq") == "1 INVITE"
        assert server.follow(invite, "ACK", cseq=1).header("CSeq") == "3 ACK"


def test_a_request_inside_the_dialog_is_answered_for_as_well() -> None:
    with Calls('t_on_failure("f");', more=AGAIN, within='t_on_failure("f");') as server:
        invite = challenged(server, server.call())
        server.reply(invite)
        bye = challenged(server, server.follow(invite, "BYE", cseq=2))
        assert bye.header("CSeq") == "4 BYE" and server.answer_within(bye).header("CSeq") == "2 BYE"


def test_uac_auth_without_credential_or_challenge() -> None:
    with Calls('uac_auth(); xlog("XL|$rc\\n"); t_on_failure("f");', more=AGAIN) as server:
        server.reply(server.call(), 401, 'WWW-Authenticate: Digest realm="foreign", nonce="n"\r\n')
        server.advance(1)
        server.reply(server.call("MESSAGE", call_id="two"), 404)
        assert server.xlog() == ["-1", "-1", "-1", "-1"]


def test_the_body_of_the_second_request_is_what_auth_int_covers() -> None:
    more = AGAIN.replace("uac_auth()", 'uac_auth("SHA-256")')
    with Calls('t_on_failure("f");', more=more) as server:
        request = server.call("MESSAGE", body="hello", headers="Content-Type: text/plain\r\n")
        challenge = 'WWW-Authenticate: Digest realm="r.example", nonce="n", qop="auth-int", algorithm=%s\r\n'
        out = server.send(make_reply(request.text, 401, headers=challenge % "MD5" + challenge % "SHA-256"), BOB)
        assert "algorithm=SHA-256" in (server._to(BOB, out).header("Authorization") or "")


def test_the_body_it_covers_is_that_which_leaves() -> None:
    edited = Edits()
    msg = parse_message(make_request(body="hello"))
    assert sent_body(msg, None) == sent_body(msg, edited) == "hello"
    edited.replace(msg.body_start + 1, msg.body_start + 2, "EE")
    assert sent_body(msg, edited) == "hEEllo"
    edited.replace_body("new")
    assert sent_body(msg, edited) == "new"


def test_uac_inc_cseq() -> None:
    main = """
        uac_inc_cseq(3); xlog("XL|$rc\\n"); t_newtran(); uac_inc_cseq(3); xlog("XL|$rc\\n"); uac_inc_cseq(2); t_on_failure("f");
    """
    with Calls(main, more=AGAIN) as server:
        request = server.call("MESSAGE", cseq=10)
        assert request.header("CSeq") == "15 MESSAGE"
        again = challenged(server, request)
        assert again.header("CSeq") == "16 MESSAGE" and server.reply(again).header("CSeq") == "10 MESSAGE"
        assert server.xlog() == ["-1", "1", "1"]


@pytest.mark.parametrize(("number", "step", "wanted"), [
    ("5", 1, "6"), ("0005", 1, "6"), ("5", -6, None), ("2147483647", 1, None),
])
def test_numbers_within_bounds(number: str, step: int, wanted: str | None) -> None:
    msg = parse_message(make_request().replace("CSeq: 1", f"CSeq: {number}"))
    edits = Edits()
    now = present_number(msg, edits)
    assert now == (int(number), False)
    assert renumber(msg, edits, now[0] + step) == (wanted is not None)
    if wanted is not None:
        assert f"CSeq: {wanted} OPTIONS" in edits.apply(msg.text) and present_number(msg, edits) == (int(wanted), True)


@pytest.mark.parametrize("value", ["<sip:a@b>;tag=1", '"A;<B>" <sip:a@b> ;tag=1', "sip:a@b;tag=1", " A B <sip:a@b>"])
def test_the_span_of_an_address_is_the_address(value: str) -> None:
    msg = parse_message(make_request().replace("From: <sip:alice@example.com>;tag=a1", f"From:{value}"))
    assert msg.from_ is not None
    start, end = address_span(msg, msg.from_)
    assert msg.text[start:end] == value.partition(";tag")[0].strip()


@pytest.mark.parametrize("script", [
    MODULES.replace('loadmodule "rr.so"\n', "") + 'route { uac_replace_from("a", "sip:b@c"); }',
    MODULES + 'modparam("uac", "restore_mode", "always")\nroute { exit; }',
    MODULES + 'modparam("uac", "force_dialog", 1)\nroute { uac_replace_from("a", "sip:b@c"); }',
    MODULES + 'modparam("rr", "append_fromtag", 0)\nroute { uac_replace_from("a", "sip:b@c"); }',
    MODULES + 'modparam("uac", "rr_from_store_param", "")\nroute { exit; }', MODULES + 'route { uac_auth("CRC"); }',
])
def test_what_is_missing_is_told_at_start(script: str) -> None:
    with pytest.raises((ConfigError, ConfigErrors)):
        Harness(script)


# ---- with the dialog module ----

DIALOG = 'loadmodule "dialog.so"\n'


@pytest.mark.parametrize("forced", [False, True])
def test_a_dialog_keeps_the_names(forced: bool) -> None:
    params = 'modparam("uac", "force_dialog", 1)\n' if forced else ""
    with Calls(MAIN if forced else "create_dialog();" + MAIN, params, modules=DIALOG) as server:
        invite = server.call()
        assert "vsf" not in invite.text and "did=" in (invite.header("Record-Route") or "")
        assert server.reply(invite).header("From") == '"Alice" <sip:alice@example.com>;tag=a1'
        ack = server.follow(invite, "ACK", cseq=1)
        assert (ack.header("From"), ack.header("To")) == (NEW_FROM, NEW_TO)
        info = server.follow(
            invite, "INFO", cseq=9, from_bob=True, from_="<sip:t@hidden.example>", to='"N" <sip:new@hidden.example>')
        assert (info.header("From"), info.header("To")) == ("<sip:bob@example.com>;tag=b1", '"N" <sip:alice@example.com>;tag=a1')
        assert server.answer_within(info, True).header("From") == "<sip:t@hidden.example>;tag=b1"
        bye = server.follow(invite, "BYE", cseq=2)
        assert bye.header("From") == "<sip:new@hidden.example>;tag=a1"
        assert server.answer_within(bye).header("From") == "<sip:alice@example.com>;tag=a1"


def test_a_dialog_keeps_the_name_of_the_branch_that_answered() -> None:
    main = 'create_dialog(); append_msg_branch("sip:carol@127.0.0.1:5091"); t_on_branch("b");'
    more = """
        branch_route[b] { if ($T_branch_idx == 1) uac_replace_from( , "sip:one@x"); else uac_replace_from( , "sip:zero@x"); }
    """
    with Calls(main, more=more, modules=DIALOG) as server:
        sent = server.send(make_request("INVITE", "sip:bob@127.0.0.1:5090"), ALICE)
        first, second = [one for one in sent if one.first_line.startswith("INVITE")]
        server.send(make_reply(second.text, 486), ("127.0.0.1", 5091))
        assert server.reply(first).header("From") == "<sip:alice@example.com>;tag=a1"
        assert server.follow(first, "BYE", cseq=2).header("From") == "<sip:zero@x>;tag=a1"


def test_the_dialog_counts_on_from_the_answered_challenge() -> None:
    with Calls('create_dialog(); t_on_failure("f");', more=AGAIN, modules=DIALOG) as server:
        invite = challenged(server, server.call(cseq=5))
        assert "aci" not in invite.text and server.reply(invite).header("CSeq") == "5 INVITE"
        assert server.follow(invite, "ACK", cseq=5).header("CSeq") == "6 ACK"
        info = server.follow(invite, "INFO", cseq=6)
        assert info.header("CSeq") == "7 INFO" and server.answer_within(info).header("CSeq") == "6 INFO"


@pytest.mark.parametrize("before", [False, True])
def test_a_challenge_inside_the_dialog(before: bool) -> None:
    """before: the INVITE was challenged, too."""
    with Calls('create_dialog(); t_on_failure("f");', more=AGAIN, within='t_on_failure("f");', modules=DIALOG) as server:
        invite = server.call()
        if before:
            invite = challenged(server, invite)
        server.reply(invite)
        server.follow(invite, "ACK", cseq=1)
        first = 2 + before
        again = server.follow(invite, "INVITE", cseq=2)
        assert again.header("CSeq") == f"{first} INVITE"
        again = challenged(server, again)
        assert again.header("CSeq") == f"{first + 1} INVITE"
        assert server.answer_within(again).header("CSeq") == "2 INVITE"
        assert server.follow(invite, "ACK", cseq=2).header("CSeq") == f"{first + 1} ACK"
        bye = server.follow(invite, "BYE", cseq=3)
        assert bye.header("CSeq") == f"{first + 2} BYE" and server.answer_within(bye).header("CSeq") == "3 BYE"


def test_names_come_back_with_the_dialogs_of_a_database(tmp_path: Path) -> None:
    file = tmp_path / "d.sqlite"
    assert dbtool.main(["create", "--with-dialog", f"sqlite://{file}"]) == 0
    modules = 'loadmodule "db_sqlite.so"\n' + DIALOG
    params = f'modparam("dialog", "db_url", "sqlite://{file}")\nmodparam("dialog", "db_mode", 1)\n'
    with Calls("create_dialog();" + MAIN, params, modules=modules) as server:
        invite = server.call()
        server.reply(invite)
        server.follow(invite, "ACK", cseq=1)
        server.advance(2)
    with Calls("create_dialog();" + MAIN, params, modules=modules) as server:
        bye = server.follow(invite, "BYE", cseq=2)
        assert (bye.header("From"), bye.header("To")) == (NEW_FROM, NEW_TO)
        assert server.answer_within(bye).header("From") == "<sip:alice@example.com>;tag=a1"
