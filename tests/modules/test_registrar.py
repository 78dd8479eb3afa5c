"""save(): lifetimes, order, CSeq, limits, Path, attributes, the reply (RFC 3261 10.3, registrar manual)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.modules.parts import run
from tests.modules.registrar_parts import RegistrarServer

ONE, TWO, THREE = "<sip:one@192.0.2.1>", "<sip:two@192.0.2.2>", "<sip:three@192.0.2.3>"


def with_server(test: Any, **params: Any) -> None:
    """Run a test body on a started server."""

    async def body() -> None:
        async with RegistrarServer(**params) as server:
            test(server)

    run(body)


def contact_line(headers: str) -> str:
    """The Contact header of a reply."""
    return next((line[9:] for line in headers.split("\r\n") if line.startswith("Contact: ")), "")


def test_insert_refresh_remove_and_fetch() -> None:
    def test(server: RegistrarServer) -> None:
        server.listen("E_UL_CONTACT_INSERT", "E_UL_CONTACT_UPDATE", "E_UL_CONTACT_DELETE")
        assert server.register(f"{ONE}, {TWO}") == (200, f"Contact: {ONE};expires=600, {TWO};expires=600\r\n")
        assert server.register(ONE, expires=300)[1] == f"Contact: {ONE};expires=300, {TWO};expires=600\r\n"
        assert server.register(f"{TWO};expires=0")[1] == f"Contact: {ONE};expires=300\r\n"
        assert server.register(None, expires=None)[1] == f"Contact: {ONE};expires=300\r\n"
        assert [name for name, _ in server.heard] == ["E_UL_CONTACT_INSERT"] * 2 + ["E_UL_CONTACT_UPDATE", "E_UL_CONTACT_DELETE"]
        assert server.register("*", expires=0) == (200, "")
        assert server.stored() == []
        assert server.registrar.accepted_regs.count == 5

    with_server(test)


@pytest.mark.parametrize(("asked", "header", "granted"), [
    (";expires=300", 600, 300), ("", None, 1800), ("", 5, 120), (";expires=99999", 600, 7200), (";expires=soon", 600, 1800),
    (";expires", 600, 600), (";expires=300;expires=400", 600, 400),
])
def test_lifetime(asked: str, header: int | None, granted: int) -> None:
    def test(server: RegistrarServer) -> None:
        assert contact_line(server.register(ONE + asked, expires=header)[1]) == f"{ONE};expires={granted}"

    with_server(test, default_expires=1800, min_expires=120, max_expires=7200)


def test_flags_beat_the_limits_in_both_spellings() -> None:
    def test(server: RegistrarServer) -> None:
        assert contact_line(server.register(ONE, expires=5, flags="min-expires=10, max-expires=20")[1]).endswith("=10")
        assert contact_line(server.register(ONE, flags="e10E20")[1]).endswith("=20")

    with_server(test, min_expires=120)


def test_deviation_stays_within_the_limits() -> None:
    def test(server: RegistrarServer) -> None:
        for _ in range(50):
            assert 95 <= int(contact_line(server.register(ONE, expires=100)[1]).rpartition("=")[2]) <= 103

    with_server(test, expires_max_deviation=10, min_expires=95, max_expires=103)


@pytest.mark.parametrize(("contact", "expires", "status", "text"), [
    ("*", 600, 400, "* used in contact and expires is not zero"),
    ("*", None, 400, "* used in contact and expires is not zero"),
    (f"{ONE}\nContact: *", 0, 400, "* used in contact and more than 1 contact"),
    (f"{ONE};q=1.5", 600, 400, "Invalid q param in contact"),
    ("<bob>", 600, 500, "usrloc_contact_insert failed"),
    (f"{ONE}\nContact: <sip:a-rather-long-user-name@a-rather-long-host.example.com>", 600, 400, "Contact/received too long"),
    ("\"open <sip:a@b>", 600, 400, "Contact parse error"),
])
def test_refusals(contact: str, expires: int | None, status: int, text: str) -> None:
    def test(server: RegistrarServer) -> None:
        got = server.register(contact, expires=expires)
        retry = "Retry-After: 30\r\n" if status >= 500 else ""
        assert got == (status, f"P-Registrar-Error: {text}\r\n{retry}")
        assert server.stored() == []
        assert server.registrar.rejected_regs.count == 1

    with_server(test, max_contact_len=40, retry_after=30)


def test_broken_headers_are_refused() -> None:
    def test(server: RegistrarServer) -> None:
        assert "Expires parse error" in server.register(ONE, "Expires: soon", expires=None)[1]
        assert "Callid too long" in server.register(ONE, call_id="x" * 256)[1]
        assert "Error while unescaping username" in server.register(ONE, user="b%zz")[1]
        assert "Address Of Record too long" in server.register(ONE, user="b" * 65)[1]

    with_server(test)


def test_refused_request_changes_nothing() -> None:
    """RFC 3261 10.3 step 7: all contacts of a request or none."""
    def test(server: RegistrarServer) -> None:
        server.register(ONE, cseq=10)
        status, headers = server.register(f"{TWO}, {ONE}", cseq=9)
        assert (status, contact_line(headers)) == (400, f"{ONE};expires=600")
        assert "Invalid CSeq number" in headers
        assert server.stored() == ["sip:one@192.0.2.1"]

    with_server(test)


def test_cseq_of_one_call_id() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(f"{ONE};q=0.1", cseq=10)
        assert "q=0.1" in server.register(f"{ONE};q=0.7", cseq=10)[1]
        server.pass_time(2)
        assert server.register(ONE, cseq=10)[0] == 400
        assert server.register(ONE, cseq=9, call_id="another")[0] == 200

    with_server(test, usrloc={"cseq_delay": 1})

    def twice(server: RegistrarServer) -> None:
        server.register(f"{ONE};q=0.1", cseq=10)
        assert "q=0.7" in server.register(f"{ONE};q=0.7", cseq=10)[1]

    with_server(twice, allow_dup_cseq=1)


def test_max_contacts() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(ONE)
        server.register(TWO)
        status, headers = server.register(THREE)
        assert (status, contact_line(headers)) == (503, f"{ONE};expires=600, {TWO};expires=600")
        assert headers.endswith("P-Registrar-Error: Too many registered contacts\r\nRetry-After: 30\r\n")
        assert server.register(TWO)[0] == 200
        assert server.register(THREE, flags="c3")[0] == 200
        # One goes, one comes: within the limit.
        assert server.register(f"{THREE};expires=0, <sip:four@192.0.2.4>", flags="max-contacts=3")[0] == 200
        server.register("<sip:five@192.0.2.5>", flags="max-contacts=2, force-registration")
        assert server.stored() == ["sip:one@192.0.2.1", "sip:five@192.0.2.5"]
        assert server.register(f"{ONE}, {TWO}, {THREE}", user="carol")[0] == 503
        assert server.stored("carol") == []
        server.register(f"{ONE}, {TWO}, {THREE}", user="carol", flags="f")
        assert server.stored("carol") == ["sip:one@192.0.2.1", "sip:two@192.0.2.2"]

    with_server(test, max_contacts=2, retry_after=30)


def test_the_same_contact_twice_in_one_request_is_one() -> None:
    def test(server: RegistrarServer) -> None:
        assert server.register(f"{ONE}, {ONE};q=0.5")[0] == 200
        assert server.stored() == ["sip:one@192.0.2.1"]

    with_server(test, max_contacts=1)


def test_only_request_contacts_and_instances_are_per_contact() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(THREE)
        line = contact_line(server.register(f'{ONE};+sip.instance="<urn:uuid:1>", {TWO}', flags="o")[1])
        assert line == f"{ONE};expires=600, {TWO};expires=600"
        assert [contact.instance for contact in server.location.get("bob").contacts] == ["", "<urn:uuid:1>", ""]

    with_server(test)


def test_path() -> None:
    path = "Path: <sip:edge.example.com;lr>, <sip:192.0.2.99;lr>"

    def test(server: RegistrarServer) -> None:
        stored = server.location
        server.register(ONE, path, user="none")
        assert stored.get("none").contacts[0].path == ""
        assert "Path" not in server.register(ONE, path, user="off", flags="path-off")[1]
        assert "Path" not in server.register(ONE, path, user="lazy", flags="path-lazy")[1]
        assert stored.get("lazy").contacts[0].path == path[6:]
        assert server.register(ONE, path, "Supported: x, path", user="lazy", flags="p1")[1].endswith(path + "\r\n")
        status, headers = server.register(ONE, path, user="strict", flags="path-strict")
        assert (status, headers) == (420, (
            f"Contact: {ONE};expires=600\r\nUnsupported: path\r\n{path}\r\n"
            "P-Registrar-Error: No support for found Path indicated\r\n"
        ))
        assert server.stored("strict") == []
        assert "Path parse error" in server.register(ONE, "Path: <sip:strict.example.com>", flags="p0")[1]
        server.register(ONE, "Path: <sip:e;lr;received=sip:198.51.100.1:4444>", user="r", flags="p0v")
        assert stored.get("r").contacts[0].received == "sip:198.51.100.1:4444"

    with_server(test)


def test_fields_of_a_contact() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(
            f'{ONE};methods="INVITE, MESSAGE"', "User-Agent: Phone 1",
            avps={"rcv": ["sip:198.51.100.7:1024"], "attr": ["old", "gold"]},
        )
        contact = server.location.get("bob").contacts[0]
        assert (contact.methods, contact.user_agent, contact.attr) == (257, "Phone 1", "gold")
        assert (contact.socket.name, contact.q, contact.flags) == ("udp:192.0.2.100:5060", 330, 0)
        line = contact_line(server.register(TWO, "Allow: INVITE", flags="o")[1])
        assert line == f"{TWO};q=0.33;expires=600"
        assert server.location.get("bob").contacts[1].methods == 1
        assert server.register(None, expires=None)[1].startswith(
            f'Contact: {ONE};q=0.33;expires=600;via="sip:198.51.100.7:1024"'
        )

    with_server(test, received_avp="$avp(rcv)", received_param="via", attr_avp="$avp(attr)", default_q=330)


def test_no_reply_and_reply_code() -> None:
    def test(server: RegistrarServer) -> None:
        ctx = server.request("REGISTER", "sip:example.com", f"Contact: {ONE}")
        assert server.registrar.save(ctx, server.location, server.registrar.save_flags("no-reply")) == 1
        assert server.replies.sent == []
        assert server.stored() == ["sip:one@192.0.2.1"]

    with_server(test)


def test_save_on_a_reply_takes_its_lifetime() -> None:
    def test(server: RegistrarServer) -> None:
        request = server.request("REGISTER", "sip:example.com", f"Contact: {ONE};q=0.5", "Expires: 600")
        server.tm.t_newtran(request)
        reply = server.context(
            "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1\nFrom: <sip:bob@example.com>;tag=r\nTo: <sip:bob@example.com>;tag=x\n"
            "Call-ID: call-1\nCSeq: 1 REGISTER\nContact: <sip:up@192.0.2.50>;expires=90",
            {"sent": ["sip:up@192.0.2.50"]},
        )
        assert server.registrar.save(reply, server.location) == -1
        reply.transaction = request.transaction
        assert server.registrar.save(reply, server.location) == 1
        contact = server.location.get("bob").contacts[0]
        assert (contact.contact, contact.expires - server.usrloc.now(), contact.q) == ("sip:one@192.0.2.1", 90, -1)
        assert f"Contact: {ONE};expires=90" in reply.new_edits().apply(reply.msg.text)
        assert server.replies.sent == []

    with_server(test, mcontact_avp="$avp(sent)")


def test_aor_rules() -> None:
    def test(server: RegistrarServer) -> None:
        rules = server.registrar.aor_rules
        assert rules.aor("sip:Bob@Example.COM") == "bob@example.com"
        assert rules.aor("sip:bob@sip.example.com:5070") == "bob@example.com"
        assert rules.aor("sip:j%6Fhn%20doe@example.com;user=phone") == "john doe@example.com"
        assert rules.aor("sip:example.com") == "example.com"

    with_server(test, usrloc={"use_domain": 1}, realm_prefix="sip.", case_sensitive=0)


def test_socket_header_is_believed_when_it_is_ours() -> None:
    def test(server: RegistrarServer) -> None:
        ctx = server.request("REGISTER", "sip:example.com")
        assert server.registrar.add_sock_hdr(ctx, "X-Sock") == 1
        assert "X-Sock: udp:192.0.2.100:5060\r\n" in ctx.new_edits().apply(ctx.msg.text)
        server.register(ONE, "X-Sock: udp:203.0.113.1:5060", flags="s")
        assert server.location.get("bob").contacts[0].socket.name == "udp:192.0.2.100:5060"
        assert any("non-local socket" in line for line in server.lines)

    with_server(test, sock_hdr_name="X-Sock")


def test_connection_is_kept() -> None:
    def test(server: RegistrarServer) -> None:
        kept: list[float] = []

        class Connection:
            def keep_for(self, seconds: float) -> None:
                kept.append(seconds)

        ctx = server.request("REGISTER", "sip:example.com", f"Contact: {ONE};expires=300, {TWO};expires=90")
        ctx.connection = Connection()  # type: ignore[assignment]
        ctx.flags = server.registry.flag_names.bit("KEEP")
        server.registrar.save(ctx, server.location)
        assert kept == [310]

    with_server(test, tcp_persistent_flag="KEEP")


def test_contacts_of_one_request_that_are_the_same() -> None:
    def test(server: RegistrarServer) -> None:
        server.listen("E_UL_AOR_INSERT", "E_UL_AOR_DELETE", "E_UL_CONTACT_INSERT", "E_UL_CONTACT_UPDATE", "E_UL_CONTACT_DELETE")
        # Of a new AoR the last counts, of a known one the first: the second has a CSeq that was seen.
        assert contact_line(server.register(f"{ONE};q=0.1, {ONE};q=0.2")[1]) == f"{ONE};q=0.2;expires=600"
        assert contact_line(server.register(f"{ONE};q=0.3, {ONE};q=0.4")[1]) == f"{ONE};q=0.3;expires=600"
        assert contact_line(server.register(f"{ONE};q=0.3, {ONE};expires=0")[1]) == f"{ONE};q=0.3;expires=600"
        server.heard.clear()
        assert contact_line(server.register(f"{ONE};expires=0, {ONE}")[1]) == f"{ONE};expires=600"
        assert contact_line(server.register(f"{ONE};expires=0, {TWO}")[1]) == f"{TWO};expires=600"
        assert contact_line(server.register(ONE, flags="max-contacts=1, force-registration")[1]) == f"{ONE};expires=600"
        # The AoR stays while its only contact is replaced.
        assert [name for name, _ in server.heard] == ["E_UL_CONTACT_DELETE", "E_UL_CONTACT_INSERT"] * 3

    with_server(test)


@pytest.mark.parametrize(("params", "text"), [
    (";q=", "Contact parse error"), (";expires=;q=0.5", "Contact parse error"), (";q=0.5;", "Contact parse error"),
    (",", "Contact parse error"), (";methods=\"INVITE BYE\"", "Message parse error"), (";q=.", ""), (";q=00.5", ""), (";q=01", ""),
    (";;q=0.5", ""), (";methods=\"INVITE,,BYE\"", ""),
])
def test_odd_parameters(params: str, text: str) -> None:
    def test(server: RegistrarServer) -> None:
        status, headers = server.register(ONE + params)
        assert status == (400 if text else 200)
        assert text in headers

    with_server(test)


def test_matching_mode_that_does_not_exist_is_ignored() -> None:
    def test(server: RegistrarServer) -> None:
        for mode in ("2", "<>", "<line"):
            assert server.register(ONE, flags=f"matching-mode={mode}")[0] == 200

    with_server(test)


def test_what_is_found_late_lists_the_stored_contacts() -> None:
    def test(server: RegistrarServer) -> None:
        assert server.register(f"{ONE};q=7") == (400, "P-Registrar-Error: Invalid q param in contact\r\n")
        server.register(ONE)
        for contact in (f"{ONE};q=7", f'{TWO};methods="A B"', f"{ONE}, <bob>"):
            assert contact_line(server.register(contact)[1]) == f"{ONE};expires=600"

    with_server(test)


def test_refreshes_beyond_the_limit() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(f"{ONE}, {TWO}")
        assert server.register(ONE, flags="max-contacts=1")[0] == 503
        assert server.register(f"{TWO};expires=0", flags="max-contacts=1")[0] == 200
        server.register(f"{ONE}, {TWO}")
        assert contact_line(server.register(TWO, flags="max-contacts=1, force-registration")[1]) == f"{TWO};expires=600"

    with_server(test)


def test_path_that_is_empty_broken_or_of_no_use() -> None:
    def test(server: RegistrarServer) -> None:
        strict = "path-strict"
        assert server.register(ONE, "Path: \r\nSupported: path", flags=strict) == (200, f"Contact: {ONE};expires=600\r\n")
        # A broken one is found late, a fetch and a removal of everything have nothing to be stored with.
        assert contact_line(server.register(ONE, "Path: foo", flags=strict)[1]) == f"{ONE};expires=600"
        path = "Path: <sip:p.example.com;lr>\r\nSupported: path"
        assert "Path" not in server.register(None, path, expires=None, flags=strict)[1]
        assert "Path" in server.register(ONE, path, flags=strict)[1]
        assert "Path" not in server.register("*", path, expires=0, flags=strict)[1]

    with_server(test)
