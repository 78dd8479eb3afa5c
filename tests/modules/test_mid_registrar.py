"""mid_registrar: what the registrar behind is shown, what is kept, what is answered here, how registrations end."""

from __future__ import annotations

import re

import pytest

from engine.errors import ConfigErrors, OpensipsError
from modules.mid_registrar.upstream import escape_aor, read_aor
from tests.modules.midreg_parts import BOB, CORE, DESK, HERE, Middle, contact_uri

PHONE, OTHER = "<sip:bob@127.0.0.1:5090>", "<sip:desk@127.0.0.1:5091>"


def own(server: Middle) -> list[str]:
    """REGISTERs of the server's own among what was sent."""
    return [
        sent.header("Contact") or "" for sent in server.sent
        if sent.text.startswith("REGISTER") and "tag=r\r\n" not in sent.text
    ]


# ---- mode 0


def test_mirror() -> None:
    with Middle() as server:
        passed, reply = server.through(
            "<sip:bob@127.0.0.1:5090;ob>;q=0.5;methods=\"INVITE\"", "Path: <sip:192.0.2.7;lr>", "Supported: path")
        ident = re.fullmatch(rf"<sip:bob@{HERE};ctid=([0-9]+)>;expires=600", passed.header("Contact") or "")
        assert ident is not None
        assert (passed.header("Path"), passed.header("Expires")) == (None, "600")
        assert reply.header("Contact") == "<sip:bob@127.0.0.1:5090;ob>;q=0.5;expires=600"
        again, _ = server.through("<sip:bob@127.0.0.1:5090;ob>;q=0.5")
        assert contact_uri(again) == contact_uri(passed)
        _, reply = server.through(OTHER, source=DESK, expires_out=60)
        assert reply.header("Contact") == "<sip:bob@127.0.0.1:5090;ob>;q=0.5;expires=600, <sip:desk@127.0.0.1:5091>;expires=60"
        assert str(server.module.usrloc.find_domain("location").get("bob").contacts[0].contact_id) == ident[1]
        # The contact is found by its id alone.
        assert server.invite(contact_uri(passed))[1].first_line == "INVITE sip:bob@127.0.0.1:5090;ob SIP/2.0"
        for uri in (f"sip:bob@{HERE}", f"sip:bob@{HERE};ctid=17", f"sip:bob@{HERE};ctid=x"):
            assert server.invite(uri)[1].first_line == "SIP/2.0 404 Not Found"
        server.through("<sip:bob@127.0.0.1:5090;ob>", expires=0)
        assert server.stored() == ["sip:desk@127.0.0.1:5091"]
        # Nothing of ours when a contact ends: the device's own lifetime was registered.
        server.advance(70)
        assert server.stored() == [] and own(server) == []


def test_limits_hold_for_the_device_only() -> None:
    with Middle(min_expires=100, max_expires=500) as server:
        for asked, given in ((30, 30), (9000, 500), (300, 300)):
            passed, reply = server.through(PHONE, expires=asked)
            assert (passed.header("Contact") or "").endswith(f";expires={asked}")
            assert (reply.header("Contact") or "").endswith(f";expires={given}")


@pytest.mark.parametrize(("params", "shown"), [
    ({"contact_id_insertion": "ct-user"}, rf"<sip:[0-9]+@{HERE}>"),
    ({"contact_id_insertion": "CT-USERNAME"}, rf"<sip:[0-9]+@{HERE}>"),
    ({"contact_id_insertion": "what"}, rf"<sip:bob@{HERE};ctid=[0-9]+>"),
    ({"contact_id_param": "x-id"}, rf"<sip:bob@{HERE};x-id=[0-9]+>"),
    ({"extra_contact_params_avp": "$avp(extra)"}, rf"<sip:bob@{HERE};ctid=[0-9]+;transport=udp;x=7>"),
    ({"extra_contact_params_avp": "$avp(extra)", "mode": 2}, rf"<sip:bob@{HERE};transport=udp;x=7>"),
])
def test_how_our_contact_is_written(params: dict[str, str], shown: str) -> None:
    with Middle(before='$avp(extra) = ";transport=udp;x=7";', **params) as server:
        passed, _ = server.through(PHONE)
        assert re.fullmatch(shown + "(;expires=[0-9]+)?", passed.header("Contact") or "")
        assert server.invite(contact_uri(passed))[1].port == BOB[1]


def test_contact_without_user() -> None:
    with Middle() as server:
        passed, _ = server.through("sip:127.0.0.1:5090")
        assert re.fullmatch(rf"<sip:{HERE};ctid=[0-9]+>;expires=600", passed.header("Contact") or "")


def test_several_contacts_and_lines() -> None:
    with Middle() as server:
        passed, reply = server.through(f"{PHONE};q=0.2, {OTHER};expires=50", "Contact: <sip:third@127.0.0.1:5092>")
        lines = [line for line in passed.text.split("\r\n") if line.startswith("Contact:")]
        assert len(lines) == 2 and lines[0].count("ctid=") == 2 and lines[0].endswith("expires=50")
        # What the registrar behind does not list has not been registered: nothing is believed then.
        assert server.stored() == [] and reply.header("Contact") == (passed.header("Contact") or "").replace("=50", "=600")


def test_other_answers_change_nothing() -> None:
    with Middle() as server:
        for code in (401, 403, 408, 500):
            passed, = server.register(PHONE)
            reply, = server.granted(passed, code=code)
            assert reply.first_line == f"SIP/2.0 {code} Reason" and server.stored() == []
        passed, = server.register(PHONE)
        reply, = server.granted(passed, contacts="<sip:else@192.0.2.1>")
        assert server.stored() == [] and reply.header("Contact") == "<sip:else@192.0.2.1>"
        passed, = server.register(PHONE)
        server.granted(passed, contacts='<sip:"@:bad')
        assert server.stored() == []


def test_a_repeated_2xx_is_taken_once() -> None:
    with Middle() as server:
        passed, = server.register(PHONE)
        server.granted(passed)
        server.granted(passed)
        assert server.xlog() == ["save 1", "insert sip:bob@127.0.0.1:5090"]


def test_a_repeat_of_what_is_under_way() -> None:
    with Middle() as server:
        server.register(PHONE, cseq=1, branch="same")
        assert server.register(PHONE, cseq=1, branch="same") == []
        assert server.xlog() == ["save 1"]


def test_later_request_wins() -> None:
    with Middle() as server:
        first, = server.register(f"{PHONE};q=0.1", cseq=1)
        second, = server.register(f"{PHONE};q=0.9", cseq=2)
        server.granted(second)
        server.granted(first)
        assert [contact.q for contact in server.module.table("location").get("bob").contacts] == [900]


# ---- mode 1


def test_contacts_are_refreshed_here() -> None:
    with Middle(mode=1, outgoing_expires=3600) as server:
        passed, reply = server.through(PHONE)
        assert (passed.header("Contact") or "").endswith(";expires=3600") and passed.header("Expires") == "3600"
        assert reply.header("Contact") == f"{PHONE};expires=600"
        server.advance(500)
        assert server.absorbed(PHONE).header("Contact") == f"{PHONE};expires=600"
        server.through(OTHER, source=DESK, expires=3000)
        assert server.xlog()[-2:] == ["save 1", "insert sip:desk@127.0.0.1:5091"]
        for _ in range(5):
            server.advance(498)
            server.absorbed(PHONE)
        # 3000 seconds after the last one that went through, 600 are left there.
        server.advance(10)
        server.through(PHONE)
        server.through(f"{PHONE};expires=0")
        assert server.stored() == ["sip:desk@127.0.0.1:5091"] and own(server) == []




def test_outgoing_expires_of_the_call() -> None:
    with Middle(mode=1, save=", , , 777") as server:
        passed, _ = server.through(PHONE, expires=None)
        assert (passed.header("Contact") or "").endswith(";expires=777") and passed.header("Expires") is None
        passed, = server.register(OTHER, source=DESK, expires=9000)
        assert passed.header("Expires") == "777"


def test_granted_less() -> None:
    with Middle(mode=1) as server:
        _, reply = server.through(PHONE, expires_out=250)
        assert reply.header("Contact") == f"{PHONE};expires=250"
        # Nothing is left to spare there.
        server.through(PHONE)


@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("how", ["expired", "mi", "star"])
def test_what_vanishes_is_removed_behind(mode: int, how: str) -> None:
    with Middle(mode=mode, min_expires=1) as server:
        passed, _ = server.through(PHONE, cseq=5, expires=10)
        server.absorbed(PHONE, cseq=6, expires=10)
        del server.sent[:]
        if how == "expired":
            server.advance(12)
        elif how == "mi":
            server.mi("ul_rm", {"table_name": "location", "aor": "bob"})
        else:
            star, = server.register("*", expires=0)
            assert star.header("Contact") == "*"
            server.granted(star)
            del server.sent[:2]
        removal, = [sent for sent in server.sent if sent.port == CORE[1]][:1]
        assert removal.header("Contact") == f"<{contact_uri(passed)}>;expires=0"
        assert removal.header("CSeq") == ("7 REGISTER" if mode == 1 else "6 REGISTER")
        assert (removal.first_line, removal.header("Call-ID")) == ("REGISTER sip:example.com SIP/2.0", "reg-5090")
        assert (removal.header("From") or "").startswith("<sip:bob@example.com>;tag=") and server.stored() == []


def test_removal_in_the_call_id_known_behind() -> None:
    with Middle(mode=1, min_expires=1, usrloc={"mi_dump_kv_store": 1}) as server:
        server.through(PHONE, cseq=50, expires=10)
        server.absorbed(PHONE, call_id="restarted", cseq=1, expires=10)
        shown = server.mi("ul_show_contact", {"table_name": "location", "aor": "bob"})["Contacts"][0]["KV-Store"]
        assert all(f'"{key}":' in shown.replace(" ", "") for key in ("F", "T", "ru", "hop", "CID", "Seq", "Con", "exp", "expO"))
        server.advance(12)
        assert (server.sent[-1].header("Call-ID"), server.sent[-1].header("CSeq")) == ("reg-5090", "51 REGISTER")


def test_contacts_of_others_are_left_alone() -> None:
    with Middle(mode=1) as server:
        server.mi("ul_add", {
            "table_name": "location", "aor": "bob", "contact": "sip:mi@192.0.2.1", "expires": 2, "q": "0.5", "flags": 0,
            "cflags": 0, "methods": 0,
        })
        server.advance(4)
        assert server.sent == []


# ---- mode 2


def test_all_devices_of_a_user_are_one_contact() -> None:
    with Middle(mode=2) as server:
        passed, _ = server.through(f"{PHONE};q=0.2")
        assert passed.header("Contact") == f"<sip:bob@{HERE}>" and passed.header("Expires") == "3600"
        reply = server.absorbed(f"{OTHER};q=0.9", source=DESK, expires=7200)
        assert reply.header("Contact") == f"{OTHER};q=0.9;expires=3600, {PHONE};q=0.2;expires=600"
        assert [sent.port for sent in server.invite(f"sip:bob@{HERE}")[1:]] == [DESK[1], BOB[1]]
        server.absorbed(OTHER, source=DESK, expires=0)
        passed, reply = server.through(PHONE, expires=0)
        assert (passed.header("Expires"), reply.header("Contact")) == ("0", None)
        assert server.stored() == [] and own(server) == []


def test_renewed_in_time_behind() -> None:
    with Middle(mode=2) as server:
        server.through(PHONE)
        for _ in range(5):
            server.advance(590)
            server.absorbed(PHONE)
        server.advance(60)
        server.through(PHONE)
        server.advance(500)
        server.absorbed(PHONE)


def test_contact_line_of_several_devices_at_once() -> None:
    with Middle(mode=2) as server:
        passed, reply = server.through(f"{PHONE}, {OTHER}", "Contact: <sip:third@127.0.0.1:5092>", expires=None)
        assert [line for line in passed.text.split("\r\n") if line.startswith("Contact")] == [
            f"Contact: <sip:bob@{HERE}>;expires=3600"]
        assert len(server.stored()) == 3 and (reply.header("Contact") or "").count("expires=600") == 0
        # Both leave in one request: that must go on, with 0 whatever the header says.
        passed, _ = server.through(
            f"{PHONE};expires=0, {OTHER};expires=0", "Contact: <sip:third@127.0.0.1:5092>;expires=0", expires=600)
        assert passed.header("Expires") == "0" and server.stored() == []


def test_expires_header_of_a_removal_by_parameter() -> None:
    with Middle(mode=1) as server:
        server.through(PHONE)
        passed, _ = server.through(f"{PHONE};expires=0", expires=600)
        assert passed.header("Expires") == "600" and (passed.header("Contact") or "").endswith(";expires=0")


def test_gone_behind() -> None:
    with Middle(mode=2) as server:
        server.through(PHONE)
        server.absorbed(OTHER, source=DESK)
        server.advance(3100)
        server.register(OTHER, source=DESK)
        passed, = server.register(OTHER, source=DESK, expires=300)
        server.granted(passed, contacts="<sip:somebody@192.0.2.1>")
        assert server.stored() == []


def test_contact_of_another_server_for_the_same_user() -> None:
    with Middle(mode=2) as server:
        passed, = server.register(PHONE)
        reply, = server.granted(
            passed, contacts=f"<sip:bob@192.0.2.9:5060>;expires=5, <sip:bob@{HERE}>;expires=500, <sip:bob@192.0.2.8>;expires=7")
        assert reply.header("Contact") == f"{PHONE};expires=500"


def test_new_devices_may_have_to_show_themselves() -> None:
    with Middle(mode=2, forward_new_devices=1) as server:
        server.through(PHONE)
        server.absorbed(PHONE)
        server.through(OTHER, source=DESK)
        server.absorbed(OTHER, source=DESK)


def test_domains_in_the_user_part() -> None:
    with Middle(mode=2, usrloc={"use_domain": 1}, at_escape_str="___") as server:
        passed, _ = server.through(PHONE, user="j%6Fhn%20doe")
        assert passed.header("Contact") == f"<sip:john%20doe___example.com@{HERE}>"
        assert server.stored("john doe@example.com") == ["sip:bob@127.0.0.1:5090"]
        assert server.invite(contact_uri(passed))[1].port == BOB[1]


@pytest.mark.parametrize(("aor", "at", "use_domain", "user"), [
    ("bob", "%40", False, "bob"), ("a@b", "%40", False, "a%40b"), ("bob@h.org", "%40", True, "bob%40h.org"),
    ("h.org", "%40", True, "h.org"), ("a b#@h.org", "~", True, "a%20b%23~h.org"), ("a@b@h.org", "%40", True, "a%40b%40h.org"),
])
def test_aor_as_user_part(aor: str, at: str, use_domain: bool, user: str) -> None:
    assert escape_aor(aor, at, use_domain) == user
    assert read_aor(user, at, use_domain) == aor


# ---- answered here


def test_fetch_shows_what_is_there_and_nothing_else() -> None:
    with Middle(mode=1) as server:
        assert server.absorbed(None, expires=None).header("Contact") is None
        server.through(PHONE)
        assert server.absorbed(None, expires=None).header("Contact") == f"{PHONE};expires=600"
        assert server.absorbed(None, expires=None, user="carol").header("Contact") is None


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_too_many_contacts(mode: int) -> None:
    with Middle(mode=mode, max_contacts=1, retry_after=7, forward_new_devices=1) as server:
        server.through(PHONE)
        before = len(server.sent)
        reply, = server.register(OTHER, source=DESK)
        assert (reply.first_line, reply.port) == ("SIP/2.0 503 Service Unavailable", DESK[1])
        assert (reply.header("P-Registrar-Error"), reply.header("Retry-After")) == ("Too many registered contacts", "7")
        assert server.stored() == ["sip:bob@127.0.0.1:5090"] and server.xlog()[-1] == "save -1"
        server.advance(5)
        assert len(server.sent) == before + 1


def test_old_contacts_may_give_way() -> None:
    with Middle(mode=1, max_contacts=1, save=', "force-registration"') as server:
        passed, _ = server.through(PHONE)
        _, reply = server.through(OTHER, source=DESK)
        assert reply.header("Contact") == f"{OTHER};expires=600"
        assert own(server) == [f"<{contact_uri(passed)}>;expires=0"]


def test_the_last_place_taken_in_the_meantime() -> None:
    with Middle(mode=1, max_contacts=1) as server:
        first, = server.register(PHONE)
        second, = server.register(OTHER, source=DESK)
        server.granted(first)
        reply, *_ = server.granted(second)
        assert server.stored() == ["sip:bob@127.0.0.1:5090"]
        assert reply.header("Contact") == f"{PHONE};expires=600"
        assert own(server) == [f"<{contact_uri(second)}>;expires=0"]


@pytest.mark.parametrize(("mode", "contact", "header", "error"), [
    (0, "*", "", "* used in contact and expires is not zero"),
    (1, f"{PHONE};q=2", "", "Invalid q param in contact"),
    (2, PHONE, "Path: <sip:192.0.2.7;lr>", "No support for found Path indicated"),
])
def test_refused_here(mode: int, contact: str, header: str, error: str) -> None:
    with Middle(mode=mode, save=', "path-strict"') as server:
        reply, = server.register(contact, *([header] if header else []))
        assert (reply.port, reply.header("P-Registrar-Error")) == (BOB[1], error)
        assert server.xlog() == ["save -1"] and server.stored() == []


def test_cseq() -> None:
    with Middle(mode=1) as server:
        server.through(PHONE, cseq=7)
        reply, = server.register(PHONE, cseq=6)
        assert reply.header("P-Registrar-Error") == "Invalid CSeq number"
        server.absorbed(PHONE, cseq=7)
        assert server.xlog()[-1] == "save 2"


def test_path_is_kept() -> None:
    with Middle(mode=1, save=', "path-lazy"') as server:
        _, reply = server.through(PHONE, "Path: <sip:127.0.0.1:5092;lr>", "Supported: path")
        assert reply.header("Path") == "<sip:127.0.0.1:5092;lr>"
        invite = server.invite(f"sip:bob@{HERE};ctid={server.module.table('location').get('bob').contacts[0].contact_id}")[1]
        assert (invite.port, invite.header("Route")) == (5092, "<sip:127.0.0.1:5092;lr>")


def test_instances_are_told_apart() -> None:
    with Middle(mode=1) as server:
        passed, = server.register(f'{PHONE};+sip.instance="<urn:1>", {OTHER}')
        server.granted(passed)
        assert [contact.instance for contact in server.module.table("location").get("bob").contacts] == ["<urn:1>", ""]


def test_only_registers() -> None:
    with Middle() as server:
        text = server.path.read_text().replace('is_method("REGISTER")', 'is_method("OPTIONS")')
        server.path.write_text(text)
        server.call(server.server.reload_routes)
        from tests.helpers import make_request

        reply, = server.send(make_request("OPTIONS"))
        assert reply.first_line == "SIP/2.0 501 Not Implemented" and server.xlog() == ["save -1"]


def test_lookup_flags() -> None:
    with Middle(lookup=', "method-filtering"') as server:
        passed, _ = server.through(f'{PHONE};methods="MESSAGE"')
        server.invite(contact_uri(passed))
        assert server.xlog()[-1] == "lookup -2"


@pytest.mark.parametrize("params", [
    {"mode": 3}, {"outgoing_expires": 0}, {"contact_id_param": "a;b"}, {"at_escape_str": ""}, {"at_escape_str": "@"},
    {"extra_contact_params_avp": "x"}, {"pn_enable": 1},
    {"usrloc": {"working_mode_preset": "sql-only", "db_url": "sqlite:///x"}},
])
def test_bad_parameters(params: dict[str, object]) -> None:
    with pytest.raises((ConfigErrors, OpensipsError)):
        Middle(**params)  # type: ignore[arg-type]
