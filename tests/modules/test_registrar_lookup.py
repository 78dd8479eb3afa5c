"""lookup() and the questions about bindings: order, filters, what a contact sets, GRUU, is_*registered(), remove()."""

from __future__ import annotations

import re

import pytest

from engine.module import ConfigError, Var
from tests.modules.registrar_parts import RegistrarServer, targets
from tests.modules.test_registrar import ONE, TWO, with_server


def three(server: RegistrarServer) -> None:
    """Three contacts of bob, best first: desk, soft, last."""
    server.register("<sip:soft@192.0.2.1>;q=0.5;methods=\"MESSAGE\"", "User-Agent: SoftPhone 1")
    server.register("<sip:desk@192.0.2.2>;q=0.8", "User-Agent: DeskPhone 2")
    server.register("<sip:last@192.0.2.3>", "User-Agent: Other")


@pytest.mark.parametrize(("flags", "code", "found"), [
    (None, 1, ["desk", "soft", "last"]),
    ("method-filtering", 1, ["desk", "last"]), ("m", 1, ["desk", "last"]),
    ("no-branches", 1, ["desk"]), ("b", 1, ["desk"]),
    ("to-branches-only", 1, ["bob", "desk", "soft", "last"]),
    ("ua-filtering=/^Soft/", 1, ["soft"]), ("u/^Soft/", 1, ["soft"]),
    ("ua-filtering=/^soft|^desk/, case-insensitive, extended-regexp", 1, ["desk", "soft"]),
    ("u/^soft|^desk/ie", 1, ["desk", "soft"]),
    ("ua-filtering=/^Soft\\|^Desk/", 1, ["desk", "soft"]),
    ("ua-filtering=/^Fax/", -1, ["bob"]),
    ("sort-by-latency, max-ping-latency=500", 1, ["last", "desk"]), ("Yy500", 1, ["last", "desk"]),
])
def test_filters(flags: str | None, code: int, found: list[str]) -> None:
    def test(server: RegistrarServer) -> None:
        three(server)
        for contact, latency in zip(server.location.get("bob").contacts, (200, 900, 100), strict=True):
            contact.latency = latency
        got, ctx = server.lookup(flags=flags)
        assert (got, [uri.partition("@")[0][4:] for uri in targets(ctx)]) == (code, found)

    with_server(test)


def test_codes() -> None:
    def test(server: RegistrarServer) -> None:
        assert server.lookup()[0] == -1
        server.register(f'{ONE};methods="MESSAGE"')
        assert server.lookup(flags="m")[0] == -2
        assert server.lookup("tel:")[0] == -3
        server.pass_time(601)
        assert server.lookup(flags="m")[0] == -1

    with_server(test)


@pytest.mark.parametrize("flags", ["", "x", "max-contacts", "ua-filtering=/(/, extended-regexp", "ua-filtering=x", "memory-only"])
def test_bad_flags_refuse_the_script(flags: str) -> None:
    def test(server: RegistrarServer) -> None:
        with pytest.raises(ConfigError):
            server.registrar.lookup_flags(flags)

    with_server(test)


def test_what_a_contact_sets() -> None:
    def test(server: RegistrarServer) -> None:
        path = "<sip:edge.example.com;lr>, <sip:192.0.2.9;lr>"
        server.register(f"{ONE};q=0.9", f"Path: {path}", flags="p0", avps={"attr": ["gold"]})
        server.register(f"{TWO};q=0.1", avps={"rcv": ["sip:198.51.100.7:1024"]})
        code, ctx = server.lookup()
        assert (ctx.ruri, ctx.dst_uri, ctx.path, ctx.q) == ("sip:one@192.0.2.1", "sip:edge.example.com;lr", path, 900)
        assert (ctx.send_socket, ctx.branch_attrs) == (server.socket, {"attr": "gold"})
        branch = (ctx.branches or [])[0]
        assert (branch.uri, branch.dst_uri, branch.path, branch.q) == ("sip:two@192.0.2.2", "sip:198.51.100.7:1024", None, 100)
        assert branch.attrs == {"attr": ""}

    with_server(test, received_avp="$avp(rcv)", attr_avp="$avp(attr)")


def test_branches_of_the_script_are_looked_up_too() -> None:
    def test(server: RegistrarServer) -> None:
        from engine.module import Branch

        server.register(ONE)
        server.register(TWO, user="carol")
        ctx = server.request("INVITE", "sip:carol@example.com")
        ctx.branches = [Branch("sip:bob@example.com")]
        assert server.lookup(flags="branch", ctx=ctx)[0] == 1
        assert targets(ctx) == ["sip:two@192.0.2.2", "sip:one@192.0.2.1"]

    with_server(test)


def test_gruu() -> None:
    def test(server: RegistrarServer) -> None:
        first = server.register(f'{ONE};+sip.instance="<urn:uuid:1>"', "Supported: gruu", call_id="c1")[1]
        server.register(f'{TWO};+sip.instance="<urn:uuid:2>"', "Supported: gruu", call_id="c2")
        public = re.search('pub-gruu="([^"]+)"', first)[1]  # type: ignore[index]
        temporary = re.search('temp-gruu="([^"]+)"', first)[1]  # type: ignore[index]
        assert public == "sip:bob@192.0.2.100:5060;gr=urn:uuid:1"
        assert 'temp-gruu="sip:tgruu.' in first and first.endswith('+sip.instance="<urn:uuid:1>"\r\n')
        for uri in (public, temporary):
            assert server.lookup(uri)[1].ruri == "sip:one@192.0.2.1"
        assert server.lookup("sip:bob@example.com;gr=urn:uuid:3")[0] == -1
        assert server.lookup(temporary.replace("@", "A@"))[0] == -3
        # Registered under another Call-ID: the temporary one is void (RFC 5627 3.2), the public one is not.
        server.register(f'{ONE};+sip.instance="<urn:uuid:1>"', call_id="c3")
        assert server.lookup(temporary)[0] == -1
        assert server.lookup(public)[0] == 1

    with_server(test, disable_gruu=0, gruu_secret="s")


def test_is_registered_and_relatives() -> None:
    def test(server: RegistrarServer) -> None:
        mod, table = server.registrar, server.location
        ctx = server.request("OPTIONS", "sip:x@example.com")
        assert not mod.is_registered(ctx, table, "sip:bob@example.com")
        server.register(ONE, avps={"attr": ["gold"], "rcv": ["sip:192.0.2.44:7777"]})
        assert mod.is_registered(ctx, table, "sip:bob@example.com")
        assert ctx.avps["attr"] == ["gold"]
        assert not mod.is_registered(ctx, table)
        assert mod.is_registered(server.context(ctx.msg.text.strip().replace("\r", "").replace("OPTIONS", "REGISTER")), table)
        for contact, call_id, known in (
            ("sip:one@192.0.2.1", None, True), (None, "reg-1", True), ("sip:one@192.0.2.1", "reg-1", True),
            ("sip:two@192.0.2.2", "reg-1", False), (None, "other", False),
        ):
            assert mod.is_contact_registered(ctx, table, "sip:bob@example.com", contact, call_id) is known
        here = server.request("OPTIONS", "sip:x@example.com", f"Contact: {ONE}")
        assert mod.is_contact_registered(here, table, "sip:bob@example.com")
        ctx.avps["ips"] = ["198.51.100.1", "192.0.2.44"]
        several = Var(lambda ctx: ctx.avps["ips"][-1], None, "$avp(ips)", "avp", "ips")
        for address, port, known in (
            ("192.0.2.44", None, True), ("192.0.2.44", 7777, True), ("192.0.2.44", 7778, False), ("192.0.2.1", None, False),
            ("nonsense", None, False), (several, None, True),
        ):
            var = address if isinstance(address, Var) else Var(lambda _, value=address: value, None, "$var(ip)")  # type: ignore[misc]
            port_var = None if port is None else Var(lambda _, value=port: value, None, "$var(port)")  # type: ignore[misc]
            assert mod.is_ip_registered(ctx, table, "sip:bob@example.com", var, port_var) is known
        server.pass_time(601)
        assert not mod.is_registered(ctx, table, "sip:bob@example.com")

    with_server(test, attr_avp="$avp(attr)", received_avp="$avp(rcv)")


def test_remove() -> None:
    def test(server: RegistrarServer) -> None:
        mod, table = server.registrar, server.location
        ctx = server.request("OPTIONS", "sip:x@example.com")
        uri = "sip:bob@example.com"
        server.register(f'{ONE}, {TWO}, <sip:four@192.0.2.4>;+sip.instance="<urn:uuid:7>"')
        server.register("<sip:three@10.0.0.1>", avps={"rcv": ["sip:192.0.2.44:1024"]})
        server.script.branch_flag_names.bit("NAT")
        table.get("bob").contacts[1].cflags = 1
        mod.remove(ctx, table, uri, "sip:one@192.0.2.1")
        mod.remove(ctx, table, uri, None, "192.0.2.44")
        mod.remove(ctx, table, uri, None, None, "<urn:uuid:7>")
        assert server.stored() == ["sip:two@192.0.2.2"]
        assert mod.remove(ctx, table, uri, None, None, None, "OTHER") == 1
        assert server.stored() == ["sip:two@192.0.2.2"]
        mod.remove(ctx, table, uri, None, None, None, "NAT")
        assert server.stored() == []
        assert mod.remove(ctx, table, "sip:nobody@example.com") == 1
        server.register(f"{ONE}, <sip:b@192.0.2.9:5090>, <sip:c@192.0.2.9:5091>")
        server.register("<sip:d@192.0.2.9:5090>", user="dave")
        mod.remove_ip_port(ctx, "192.0.2.9", 5090, table, uri)
        assert server.stored("dave") != []
        mod.remove_ip_port(ctx, "192.0.2.9", 5090, table)
        mod.remove_ip_port(ctx, "192.0.2.1", 5060, table)
        assert (server.stored(), server.stored("dave")) == (["sip:c@192.0.2.9:5091"], [])
        mod.remove(ctx, table, uri)
        assert server.stored() == []

    with_server(test, received_avp="$avp(rcv)")
