"""proto_ws, proto_wss, proto_tls, proto_tcp, proto_udp together: calls across transports and families, over real sockets."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from engine.errors import MiError
from engine.sip.uri import parse_uri
from engine.transport.address import bracketed, one_form
from tests.engine.transport.certificates import Authority
from tests.engine.transport.live import Datagram, Live, Stream, Web, free_port, trusting
from tests.helpers import make_reply, make_request

PROTOCOLS = ("udp", "tcp", "tls", "ws", "wss")
REGISTRAR = """
log_level=3
{sockets}
loadmodule "proto_udp.so"
loadmodule "proto_tcp.so"
loadmodule "tls_openssl.so"
loadmodule "tls_mgm.so"
loadmodule "proto_tls.so"
loadmodule "proto_ws.so"
loadmodule "proto_wss.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "signaling.so"
loadmodule "sipmsgops.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
modparam("nathelper|registrar", "received_avp", "$avp(rcv)")
modparam("tls_mgm", "server_domain", "here")
modparam("tls_mgm", "certificate", "[here]{certificate}")
modparam("tls_mgm", "private_key", "[here]{key}")
modparam("tls_mgm", "verify_cert", "[here]0")
modparam("tls_mgm", "client_domain", "out")
modparam("tls_mgm", "ca_list", "[out]{ca}")
modparam("registrar", "tcp_persistent_flag", "KEEP")
route {
    if ($socket_in(proto) != "udp") {
        force_rport();
        if (is_method("REGISTER")) fix_nated_register();
        else fix_nated_contact();
    }
    if (has_totag()) {
        if (!loose_route()) { sl_send_reply(404, "Not here"); exit; }
        t_relay();
        exit;
    }
    if (is_method("REGISTER")) {
        setflag("KEEP");
        save("location");
        exit;
    }
    record_route();
    if (!lookup("location")) { t_reply(404, "Not Found"); exit; }
    t_on_reply("fix");
    t_relay();
}
onreply_route[fix] { if ($socket_in(proto) != "udp") fix_nated_contact(); }
"""


class Phone:
    """One end of a call over any transport."""

    def __init__(self, user: str, proto: str, client: Any) -> None:
        self.user, self.proto, self.client = user, proto, client
        host, port = client.local
        self.address = f"{bracketed(one_form(host))}:{port}"
        # As browsers do it: they do not know their address.
        self.sent_by = f"{user}.invalid" if "ws" in proto else self.address
        transport = {"udp": "", "ws": ";transport=ws", "wss": ";transport=ws"}.get(proto, f";transport={proto}")
        self.contact = f"<sip:{user}@{self.sent_by}{transport}>"
        self.cseq = 0

    async def send(self, text: str) -> None:
        """Send a message."""
        sent = self.client.send(text)
        if sent is not None:
            await sent

    async def receive(self) -> str:
        """The next message that is not a 100."""
        while True:
            found: str = await self.client.receive()
            if not found.startswith("SIP/2.0 100"):
                return found

    def request(self, method: str, uri: str, *, to: str, call_id: str, from_tag: str, to_tag: str = "", headers: str = "") -> str:
        """A request of this phone."""
        self.cseq += 1
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{self.proto.upper()} {self.sent_by};branch=z9hG4bK{self.user}{self.cseq};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{self.user}@here>;tag={from_tag}\r\nTo: <sip:{to}@here>{to_tag and ';tag=' + to_tag}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {self.cseq} {method}\r\nContact: {self.contact}\r\n{headers}Content-Length: 0\r\n\r\n")


class Site:
    """A registrar that listens to everything on one address, and its clients."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", text: str = REGISTRAR, **marks: Any) -> None:
        authority = Authority(folder)
        certificate, key = authority.issue("server")
        self.ca = authority.ca
        self.host = host
        self.shown = bracketed(one_form(host))
        self.ports = {proto: free_port(host) for proto in PROTOCOLS}
        sockets = "\n".join(f"socket={proto}:{self.shown}:{port}" for proto, port in self.ports.items())
        self.live = Live(text, folder, sockets=sockets, certificate=certificate, key=key, ca=authority.ca, **marks)

    async def phone(self, user: str, proto: str) -> Phone:
        """A phone that has connected."""
        port = self.ports[proto]
        context = trusting(self.ca) if proto in ("tls", "wss") else None
        if proto == "udp":
            return Phone(user, proto, await Datagram.open(self.host, port))
        if "ws" in proto:
            return Phone(user, proto, await Web.open(self.host, port, context, name="here" if context else None))
        return Phone(user, proto, await Stream.open(self.host, port, context, "here"))


def route_set(message: str) -> list[str]:
    """Values of Record-Route."""
    return re.findall(r"^Record-Route: (.*?)\r?$", message, re.MULTILINE)


def contact_of(message: str) -> str:
    """URI of the Contact."""
    found = re.search(r"^Contact: <(.*?)>", message, re.MULTILINE)
    assert found is not None
    return found[1]


async def call(site: Site, caller_proto: str, callee_proto: str) -> None:
    """Register, call, answer, hang up from the callee."""
    mark = f"{caller_proto}{callee_proto}"
    alice, bob = await site.phone(f"alice{mark}", caller_proto), await site.phone(f"bob{mark}", callee_proto)
    await bob.send(bob.request("REGISTER", "sip:here", to=bob.user, call_id=f"reg{mark}", from_tag="r", headers="Expires: 600\r\n"))
    assert (await bob.receive()).startswith("SIP/2.0 200")
    await alice.send(alice.request("INVITE", f"sip:{bob.user}@here", to=bob.user, call_id=f"call{mark}", from_tag="a"))
    invite = await bob.receive()
    assert invite.startswith(f"INVITE sip:{bob.user}@{bob.sent_by}")
    via = re.findall(r"^Via: SIP/2.0/(\w+) (\S+?);(.*?)\r?$", invite, re.MULTILINE)
    assert (via[0][0], via[0][1]) == (callee_proto.upper(), f"{site.shown}:{site.ports[callee_proto]}")
    assert (";i=" in ";" + via[0][2]) is (caller_proto != "udp")
    routes = route_set(invite)
    if caller_proto == callee_proto:
        assert len(routes) == 1
    else:
        assert len(routes) == 2
        for route, proto in zip(routes, (callee_proto, caller_proto), strict=True):
            transport = "" if proto == "udp" else f";transport={proto}"
            assert route.startswith(f"<sip:{site.shown}:{site.ports[proto]}{transport};r2=on;lr")
    # The callee's reply says its contact; the caller's ACK follows the route set.
    await bob.send(make_reply(invite, 200, "OK", to_tag="b", headers=f"Contact: {bob.contact}\r\n"))
    answer = await alice.receive()
    assert answer.startswith("SIP/2.0 200")
    assert route_set(answer) == routes
    # Neither knows the other's address: in the dialog they use what the server wrote into the contacts.
    for message, phone in ((invite, alice), (answer, bob)):
        assert contact_of(message).startswith(f"sip:{phone.user}@{phone.address}")
    await alice.send(alice.request(
        "ACK", contact_of(answer), to=bob.user, call_id=f"call{mark}", from_tag="a", to_tag="b",
        headers="".join(f"Route: {route}\r\n" for route in reversed(routes))))
    assert (await bob.receive()).startswith("ACK ")
    target = contact_of(invite)
    await bob.send(bob.request(
        "BYE", target, to=alice.user, call_id=f"call{mark}", from_tag="b", to_tag="a",
        headers="".join(f"Route: {route}\r\n" for route in routes)))
    bye = await alice.receive()
    assert bye.startswith("BYE ")
    assert f"Via: SIP/2.0/{caller_proto.upper()} {site.shown}:{site.ports[caller_proto]}" in bye
    await alice.send(make_reply(bye, 200, "OK", to_tag=""))
    assert (await bob.receive()).startswith("SIP/2.0 200")
    for phone in (alice, bob):
        await phone.client.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("caller", PROTOCOLS)
def test_calls_across_transports(tmp_path: Path, caller: str, host: str) -> None:
    site = Site(tmp_path, host)
    with site.live as live:
        for callee in PROTOCOLS:
            live.run(call(site, caller, callee))
        # Every call went over the connections of the phones; none was opened towards them.
        live.until(lambda: not any(live.connections(proto) for proto in PROTOCOLS if proto != "udp"))


def test_a_registration_keeps_its_connection_and_its_end_is_seen(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.live as live:

        async def register() -> Phone:
            phone = await site.phone("bob", "wss")
            await phone.send(phone.request("REGISTER", "sip:here", to="bob", call_id="reg", from_tag="r", headers="Expires: 600\r\n"))
            assert (await phone.receive()).startswith("SIP/2.0 200")
            return phone

        phone = live.run(register())
        live.sweep("wss", 300)
        assert len(live.connections("wss")) == 1
        listed, = live.mi("list_tcp_conns")["Connections"]
        assert (listed["Type"], listed["Remote"]) == ("wss", phone.address)
        ended: list[Any] = []
        live.server.events.find("E_CORE_TCP_DISCONNECT").subscribe(lambda event, params: ended.append(params["proto"]))  # type: ignore[union-attr]
        live.sweep("wss", 700)
        assert not live.connections("wss")
        assert ended == ["wss"]
        # Nobody can open a connection to a browser: the call fails instead of waiting for ever.

        async def ring() -> str:
            alice = await site.phone("alice", "udp")
            await alice.send(alice.request("INVITE", "sip:bob@here", to="bob", call_id="late", from_tag="a"))
            found = await alice.receive()
            await alice.client.close()
            with pytest.raises(ConnectionClosed):
                await phone.client.connection.recv()
            return found

        assert live.run(ring()).startswith("SIP/2.0 477 ")


OUTGOING = """
log_level=3
socket={proto}:{host}:{port}
socket=udp:{host}:{udp}
loadmodule "proto_udp.so"
loadmodule "tls_openssl.so"
loadmodule "tls_mgm.so"
loadmodule "proto_tls.so"
loadmodule "proto_ws.so"
loadmodule "proto_wss.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
modparam("tls_mgm", "server_domain", "here")
modparam("tls_mgm", "certificate", "[here]{certificate}")
modparam("tls_mgm", "private_key", "[here]{key}")
modparam("tls_mgm", "ca_list", "[here]{ca}")
modparam("tls_mgm", "require_cert", "[here]0")
modparam("tls_mgm", "client_tls_domain_avp", "tls_dom")
modparam("tls_mgm", "client_sip_domain_avp", "$avp(sip_dom)")
modparam("tls_mgm", "client_domain", "plain")
modparam("tls_mgm", "ca_list", "[plain]{ca}")
modparam("tls_mgm", "client_domain", "known")
modparam("tls_mgm", "match_sip_domain", "[known]known.example.com")
modparam("tls_mgm", "ca_list", "[known]{ca}")
modparam("tls_mgm", "certificate", "[known]{client}")
modparam("tls_mgm", "private_key", "[known]{client_key}")
modparam("tls_mgm", "client_domain", "strict")
modparam("tls_mgm", "match_sip_domain", "[strict]*.strict.com")
modparam("tls_mgm", "ca_list", "[strict]{ca}")
modparam("tls_mgm", "verify_domain", "[strict]1")
{more}
route {
    if ($socket_in(proto) != "udp") {
        xlog("XL|$socket_in(proto) $tls_peer_subject_cn $rU\\n");
        sl_send_reply(200, "OK");
        exit;
    }
    if ($hdr(X-Sip) != NULL) $avp(sip_dom) = $hdr(X-Sip);
    if ($hdr(X-Tls) != NULL) $avp(tls_dom) = $hdr(X-Tls);
    if ($hdr(X-Branch) != NULL) t_on_branch("pick");
    $du = "sip:{host}:{port};transport={proto}";
    t_relay();
}
branch_route[pick] { $bavp(tls_dom) = $hdr(X-Branch); }
onreply_route { xlog("XL|reply $tls_my_subject_cn $tls_peer_subject_cn $tls_peer_verified\\n"); }
"""


class Loop:
    """A server that sends to itself over one transport."""

    def __init__(self, folder: Path, proto: str, host: str = "127.0.0.1", more: str = "") -> None:
        authority = Authority(folder)
        certificate, key = authority.issue("server", hosts=("a.strict.com",))
        client, client_key = authority.issue("client")
        self.host, self.udp = host, free_port()
        self.live = Live(
            OUTGOING, folder, proto=proto, host=f"[{host}]" if ":" in host else host, port=free_port(host), udp=self.udp, ca=authority.ca,
            certificate=certificate, key=key, client=client, client_key=client_key, more=more)

    def ask(self, user: str, headers: str = "") -> str:
        """Final reply to a MESSAGE."""

        async def work() -> str:
            client = await Datagram.open(self.host, self.udp)
            shown = f"[{client.local[0]}]" if ":" in client.local[0] else client.local[0]
            client.send(make_request(
                "MESSAGE", f"sip:{user}@example.com", via=f"SIP/2.0/UDP {shown}:{client.local[1]};branch=z9hG4bK{user}", call_id=user,
                headers=headers))
            while True:
                found = await client.receive()
                if not found.startswith("SIP/2.0 1"):
                    await client.close()
                    return found.partition("\r\n")[0]

        return str(self.live.run(work()))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("proto", ["tls", "ws", "wss"])
def test_the_server_connects_and_uses_the_connection_again(tmp_path: Path, proto: str, host: str) -> None:
    loop = Loop(tmp_path, proto, host)
    with loop.live as live:
        for user in ("one", "two", "three"):
            assert loop.ask(user) == "SIP/2.0 200 OK"
        assert len(live.connections(proto)) == 2
        replies = "reply <null> server 1" if proto != "ws" else "reply <null> <null> <null>"
        assert [line for line in live.xlog() if line.startswith("reply")] == [replies] * 3


@pytest.mark.parametrize("headers, shown", [
    ("", "<null>"), ("X-Sip: known.example.com\r\n", "client"), ("X-Sip: other.example.com\r\n", "<null>"), ("X-Tls: known\r\n", "client"),
    ("X-Tls: plain\r\nX-Branch: known\r\n", "client"), ("X-Tls: known\r\nX-Sip: x.strict.com\r\n", "client"),
])
def test_the_script_chooses_the_client_domain(tmp_path: Path, headers: str, shown: str) -> None:
    loop = Loop(tmp_path, "tls")
    with loop.live as live:
        assert loop.ask("bob", headers) == "SIP/2.0 200 OK"
        assert live.xlog()[0] == f"tls {shown} bob"


def test_certificates_count_when_connections_are_used_again(tmp_path: Path) -> None:
    loop = Loop(tmp_path, "tls", more='modparam("proto_tls", "cert_check_on_conn_reusage", 1)')
    with loop.live as live:
        for user, domain in (("one", "plain"), ("two", "known"), ("three", "plain"), ("four", "known")):
            assert loop.ask(user, f"X-Tls: {domain}\r\n") == "SIP/2.0 200 OK"
        assert [line for line in live.xlog() if line.startswith("tls")] == [
            "tls <null> one", "tls client two", "tls <null> three", "tls client four"]
        assert len(live.connections("tls")) == 4


def test_domains_that_do_not_fit(tmp_path: Path) -> None:
    loop = Loop(tmp_path, "tls")
    with loop.live as live:
        assert loop.ask("one", "X-Tls: nosuch\r\n").startswith("SIP/2.0 477")
        assert loop.ask("two", "X-Sip: b.strict.com\r\n").startswith("SIP/2.0 477")
        assert loop.ask("three", "X-Sip: a.strict.com\r\n") == "SIP/2.0 200 OK"
        assert [line for line in live.xlog() if line.startswith("tls")] == ["tls <null> three"]


SMALL = """
log_level=3
socket=ws:127.0.0.1:{port}
loadmodule "proto_ws.so"
loadmodule "sl.so"
{more}
route { xlog("XL|$rm $socket_in(proto) $rb\\n"); sl_send_reply(200, "OK"); }
"""


def test_text_binary_fragments_and_keepalives(tmp_path: Path) -> None:
    port = free_port()
    with Live(SMALL, tmp_path, port=port, more="") as live:

        async def talk() -> None:
            client = await Web.open("127.0.0.1", port)
            message = make_request(via="SIP/2.0/WS x.invalid;branch=z9hG4bK-1", body="hello")
            for form in (message, message.encode(), [message[:50], message[50:90], message[90:]],
                         message.replace("Content-Length: 5\r\n", "")):
                await client.send(form)
                reply = await client.receive()
                assert reply.startswith("SIP/2.0 200 OK\r\nVia: SIP/2.0/WS x.invalid;")
            await client.send("\r\n\r\n")
            assert await client.receive() == "\r\n"
            pong = await client.connection.ping()
            await pong
            await client.close()
            assert client.connection.close_code == 1000

        live.run(talk())
        assert live.xlog() == ["OPTIONS ws hello"] * 4
        live.until(lambda: not live.connections("ws"))


@pytest.mark.parametrize("more, options, accepted", [
    ("", {}, True), ("", {"origin": None}, False), ("", {"protocols": ("xmpp",)}, False), ("", {"protocols": None}, False),
    ('modparam("proto_ws", "require_origin", 0)', {"origin": None}, True),
    ('modparam("proto_ws", "require_origin", no)', {"origin": None}, True), ("", {"protocols": ("xmpp", "sip")}, True),
])
def test_who_may_connect(tmp_path: Path, more: str, options: dict[str, Any], accepted: bool) -> None:
    port = free_port()
    with Live(SMALL, tmp_path, port=port, more=more) as live:

        async def come() -> int:
            try:
                client = await Web.open("127.0.0.1", port, **options)
            except InvalidStatus as refusal:
                return refusal.response.status_code
            await client.close()
            return 101

        assert live.run(come()) == (101 if accepted else 400)


def test_a_client_of_wss_that_trusts_nobody_we_know(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "other").mkdir()
    foreign = Authority(tmp_path / "other", "Other CA")
    with site.live as live:

        async def come() -> None:
            await Web.open("127.0.0.1", site.ports["wss"], trusting(foreign.ca), name="here")

        with pytest.raises(ssl.SSLError):
            live.run(come())
        live.until(lambda: not live.connections("wss"))


def test_default_ports(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    ports = {proto: free_port() for proto in ("tls", "ws", "wss")}
    text = """
        socket=tls:127.0.0.1
        socket=ws:127.0.0.1
        socket=wss:127.0.0.1
        loadmodule "tls_openssl.so"
        loadmodule "tls_mgm.so"
        loadmodule "proto_tls.so"
        loadmodule "proto_ws.so"
        loadmodule "proto_wss.so"
        modparam("tls_mgm", "server_domain", "a")
        modparam("tls_mgm", "certificate", "[a]{certificate}")
        modparam("tls_mgm", "private_key", "[a]{key}")
        modparam("proto_tls", "tls_port", {tls})
        modparam("proto_ws", "ws_port", {ws})
        modparam("proto_wss", "wss_port", {wss})
        route { exit; }"""
    with Live(text, tmp_path, certificate=certificate, key=key, **ports) as live:
        assert [socket.name for socket in live.server.sockets.all] == [f"{proto}:127.0.0.1:{port}" for proto, port in ports.items()]
        assert live.mi("wss_trace") == {"WSS tracing": "off"}
        assert live.server.sockets.find("wss:127.0.0.1") is live.server.sockets.all[2]
        for proto, port in ports.items():
            assert live.server.resolver.resolve(parse_uri(f"sip:127.0.0.1;transport={proto}"))[0].port == port


def test_connections_of_all_protocols_are_limited_together(tmp_path: Path) -> None:
    site = Site(tmp_path, text="tcp_max_connections=3\n" + REGISTRAR)
    with site.live as live:

        async def come() -> None:
            phones = [await site.phone(proto, proto) for proto in ("tcp", "tls", "ws")]
            with pytest.raises((OSError, ssl.SSLError)):
                await site.phone("late", "wss")
            for phone in phones:
                await phone.client.close()

        live.run(come())


def test_openssl_speaks_to_us(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.live as live:

        async def talk() -> str:
            process = await asyncio.create_subprocess_exec(
                "openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", f"127.0.0.1:{site.ports['tls']}", "-CAfile", str(site.ca),
                "-verify_return_error", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(make_request("INVITE", "sip:nobody@here", via="SIP/2.0/TLS x.invalid;branch=z9hG4bK-o").encode())
            found = b""
            while b"404" not in found:
                found += await process.stdout.read(4000)
            process.kill()
            await process.wait()
            return found.decode()

        assert "SIP/2.0 404 Not Found\r\nVia: SIP/2.0/TLS x.invalid;" in live.run(talk())


def test_connections_are_traced_when_asked_for(tmp_path: Path) -> None:
    port = free_port()
    more = """
        modparam("proto_ws", "trace_filter_route", "filter")
        route[filter] { xlog("XL|filter $si $socket_in(port)\\n"); if ($avp(never) != NULL || $shv(drop) == 1) drop; exit; }"""
    script = SMALL.replace('loadmodule "sl.so"', 'loadmodule "sl.so"\nloadmodule "cfgutils.so"')
    with Live(script, tmp_path, port=port, more=more) as live:

        async def come() -> None:
            client = await Web.open("127.0.0.1", port)
            await client.close()

        def traces() -> list[str]:
            live.log.flush()
            return [re.sub(r"connection \d+|127.0.0.1:\d+", "_", line.partition("trace: ")[2].rstrip()) for line in live.log.lines
                    if "trace: " in line]

        live.run(come())
        live.until(lambda: not live.connections("ws"))
        assert traces() == []
        assert live.mi("ws_trace") == {"WS tracing": "off"}
        live.mi("ws_trace", {"trace_mode": "on"})
        assert live.mi("ws_trace") == {"WS tracing": "on"}
        live.run(come())
        live.until(lambda: len(traces()) == 2)
        assert traces() == ["ws _ accepted: peer _, here _", "ws _ closed: peer _, here _, closed by the peer: 1000 (OK)"]
        assert live.xlog() == [f"filter 127.0.0.1 {port}"]
        live.mi("shv_set", {"name": "drop", "type": "int", "value": 1})
        live.run(come())
        live.until(lambda: not live.connections("ws"))
        assert len(traces()) == 2
        with pytest.raises(MiError, match="Bad parameter value"):
            live.mi("ws_trace", {"trace_mode": "maybe"})


@pytest.mark.parametrize("proto", ["tls", "wss"])
def test_traces_of_tls_name_the_cipher_and_the_reason_of_failures(tmp_path: Path, proto: str) -> None:
    site = Site(tmp_path, text=REGISTRAR.replace("route {", f'modparam("proto_{proto}", "trace_on", 1)\nroute {{', 1))
    with site.live as live:

        async def come() -> None:
            phone = await site.phone("one", proto)
            await phone.client.close()
            stream = await Stream.open("127.0.0.1", site.ports[proto])
            stream.send("this is no TLS\r\n\r\n")
            await stream.reader.read()
            await stream.close()

        live.run(come())
        live.until(lambda: not live.connections(proto))
        live.log.flush()
        lines = [line for line in live.log.lines if f"trace: {proto} " in line]
        assert "TLSv1.3 TLS_" in lines[0]
        assert "domain here, peer verified: no" in lines[0]
        assert [word for line in lines for word in ("accepted", "closed", "failed") if f" {word}: " in line] == [
            "accepted", "closed", "failed"]
        assert "wrong version number" in lines[2]


HOMES = REGISTRAR.partition("route {")[0] + """
route {
    if (is_method("REGISTER")) { force_tcp_alias(); sl_send_reply(200, "OK"); exit; }
    if ($hdr(X-Out) != NULL) $socket_out = $hdr(X-Out);
    $du = $hdr(X-To);
    t_relay();
}
"""


@pytest.mark.parametrize("proto", ["tcp", "tls", "ws", "wss"])
def test_an_alias_leads_to_the_connection(tmp_path: Path, proto: str) -> None:
    site = Site(tmp_path, text=HOMES)
    with site.live as live:

        async def talk() -> None:
            phone, caller = await site.phone("bob", proto), await site.phone("alice", "udp")
            phone.sent_by = f"127.0.0.1:{free_port()}"      # listens there, or says so
            await phone.send(phone.request("REGISTER", "sip:here", to="bob", call_id="reg", from_tag="r"))
            assert (await phone.receive()).startswith("SIP/2.0 200")
            await caller.send(caller.request(
                "MESSAGE", "sip:bob@here", to="bob", call_id="m", from_tag="a",
                headers=f"X-To: sip:{phone.sent_by};transport={proto}\r\n"))
            message = await phone.receive()
            assert message.startswith("MESSAGE ")
            await phone.send(make_reply(message, 200, "OK"))
            assert (await caller.receive()).startswith("SIP/2.0 200")
            for one in (phone, caller):
                await one.client.close()

        live.run(talk())


@pytest.mark.parametrize("proto", ["tcp", "tls", "ws", "wss"])
def test_sockets_on_several_addresses(tmp_path: Path, proto: str) -> None:
    second, target = free_port("127.0.0.2"), free_port("127.0.0.3")
    site = Site(tmp_path, text=f"socket={proto}:127.0.0.2:{second}\nsocket={proto}:127.0.0.3:{target}\n" + HOMES.replace(
        'if ($hdr(X-Out)', 'if ($socket_in(ip) == "127.0.0.3") { xlog("XL|$si $hdr(Via)\\n"); sl_send_reply(200, "OK"); exit; }\n'
        '    if ($hdr(X-Out)'))
    with site.live as live:

        async def ask(out: str, number: int) -> str:
            caller = await site.phone(f"alice{number}", "udp")
            await caller.send(caller.request(
                "MESSAGE", "sip:bob@here", to="bob", call_id=f"m{number}", from_tag="a",
                headers=f"X-To: sip:127.0.0.3:{target};transport={proto}\r\n" + (f"X-Out: {out}\r\n" if out else "")))
            found = await caller.receive()
            await caller.client.close()
            return found

        assert live.run(ask(f"{proto}:127.0.0.2:{second}", 1)).startswith("SIP/2.0 200")
        assert live.xlog() == [live.xlog()[0]]
        assert re.match(rf"127\.0\.0\.2 SIP/2\.0/{proto.upper()} 127\.0\.0\.2:{second};", live.xlog()[0])
        # A connection belongs to the socket it was opened from.
        first = f"{proto}:127.0.0.1:{site.ports[proto]}"
        for number, (out, ends) in enumerate((("", 2), (first, 4), (f"{proto}:127.0.0.2:{second}", 4), (first, 4)), 2):
            assert live.run(ask(out, number)).startswith("SIP/2.0 200")
            assert len(live.connections(proto)) == ends
        assert [line.split()[0] for line in live.xlog()] == [f"127.0.0.{end}" for end in (2, 2, 1, 2, 1)]


@pytest.mark.parametrize("kind, shown", [("good", "0 0 0 0"), ("expired", "0 0 1 0"), ("self_signed", "0 0 0 1"), ("revoked", "0 1 0 0")])
def test_failings_of_servers_that_are_not_checked(tmp_path: Path, kind: str, shown: str) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("odd", expired=kind == "expired", self_signed=kind == "self_signed")
    (tmp_path / "crl").mkdir()
    if kind == "revoked":
        authority.revoke(certificate, tmp_path / "crl")
    port = free_port()
    script = """
        log_level=3
        socket=tls:127.0.0.1:{port}
        loadmodule "tls_openssl.so"
        loadmodule "tls_mgm.so"
        loadmodule "proto_tls.so"
        loadmodule "sl.so"
        loadmodule "tm.so"
        loadmodule "sipmsgops.so"
        modparam("tls_mgm", "server_domain", "here")
        modparam("tls_mgm", "certificate", "[here]{certificate}")
        modparam("tls_mgm", "private_key", "[here]{key}")
        modparam("tls_mgm", "verify_cert", "[here]0")
        modparam("tls_mgm", "client_domain", "out")
        modparam("tls_mgm", "verify_cert", "[out]0")
        modparam("tls_mgm", "crl_dir", "[out]{crl}")
        route {
            if ($hdr(X-Hop) != NULL) { sl_send_reply(200, "OK"); exit; }
            append_hf("X-Hop: 1\\r\\n");
            $du = "sip:127.0.0.1:{port};transport=tls";
            t_relay();
        }
        onreply_route {
            xlog("XL|$tls_peer_verified $tls_peer_revoked $tls_peer_expired $tls_peer_selfsigned\\n");
            xlog("XL|$tls_peer_subject_cn\\n");
        }"""
    with Live(script, tmp_path, port=port, certificate=certificate, key=key, crl=tmp_path / "crl") as live:

        async def ask() -> str:
            stream = await Stream.open("127.0.0.1", port, trusting(None), "x")
            stream.send(make_request("MESSAGE", via="SIP/2.0/TLS 127.0.0.1:5071;branch=z9hG4bK-a"))
            while (found := await stream.receive()).startswith("SIP/2.0 1"):
                pass
            await stream.close()
            return found

        assert live.run(ask()).startswith("SIP/2.0 200")
        assert live.xlog() == [shown, "odd"]
