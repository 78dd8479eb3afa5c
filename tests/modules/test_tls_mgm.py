"""tls_mgm and proto_tls: domains, handshakes, variables, management, on loopback sockets."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import NameOID

from engine.errors import ConfigErrors
from tests.engine.transport.certificates import Authority
from tests.engine.transport.live import Live, Stream, free_port, trusting
from tests.helpers import Harness, make_request

HEAD = """
log_level=3
socket=tls:127.0.0.1:{port}
loadmodule "tls_openssl.so"
loadmodule "tls_mgm.so"
loadmodule "proto_tls.so"
loadmodule "sl.so"
"""
PHONE = {
    NameOID.COUNTRY_NAME: "AT", NameOID.STATE_OR_PROVINCE_NAME: "Wien", NameOID.LOCALITY_NAME: "Wien", NameOID.ORGANIZATION_NAME: "Phones",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "Desk", NameOID.COMMON_NAME: "phone",
}


def of(domain: str, **params: str) -> str:
    """modparam lines of a domain."""
    return "".join(f'modparam("tls_mgm", "{name}", "[{domain}]{value}")\n' for name, value in params.items())


def server_domain(name: str, files: tuple[str, str], **params: str) -> str:
    """A server domain that shows these files."""
    return f'modparam("tls_mgm", "server_domain", "{name}")\n' + of(name, certificate=files[0], private_key=files[1], **params)


def client_domain(name: str, **params: str) -> str:
    """A client domain."""
    return f'modparam("tls_mgm", "client_domain", "{name}")\n' + of(name, **params)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def ask(port: int, context: ssl.SSLContext, name: str = "example.com") -> str:
    """The reply to an OPTIONS."""
    stream = await Stream.open("127.0.0.1", port, context, name)
    stream.send(make_request(via="SIP/2.0/TLS 127.0.0.1:5071;branch=z9hG4bK-a"))
    try:
        return await stream.receive()
    finally:
        await stream.close()


async def refused(port: int, context: ssl.SSLContext, name: str = "example.com") -> bool:
    """Whether the server takes no message over such a connection."""
    try:
        await ask(port, context, name)
    except (ssl.SSLError, OSError, asyncio.IncompleteReadError):
        return True
    return False


def test_request_and_reply_over_tls(authority: Authority, tmp_path: Path) -> None:
    port = free_port()
    script = HEAD + server_domain("a", authority.issue("server"), verify_cert="0") + """
        route { xlog("XL|$socket_in(proto) $proto $tls_version $tls_my_subject_cn $tls_peer_subject_cn $tls_peer_verified\\n");
                if (is_peer_verified()) xlog("XL|verified\\n"); sl_send_reply(200, "OK"); }"""
    with Live(script, tmp_path, port=port) as live:
        reply = live.run(ask(port, trusting(authority.ca)))
        assert reply.startswith("SIP/2.0 200 OK")
        assert live.xlog() == ["tls tls TLSv1.3 server <null> 0"]


def test_keepalives_split_messages_and_several_at_once(authority: Authority, tmp_path: Path) -> None:
    port = free_port()
    script = HEAD + server_domain("a", authority.issue("server"), verify_cert="0") + 'route { sl_send_reply(200, "OK"); }'
    with Live(script, tmp_path, port=port) as live:

        async def talk() -> None:
            stream = await Stream.open("127.0.0.1", port, trusting(authority.ca), "x")
            stream.send("\r\n\r\n")
            assert await stream.reader.readexactly(2) == b"\r\n"
            message = make_request(via="SIP/2.0/TLS 127.0.0.1:5071;branch=z9hG4bK-a")
            stream.send(message + message[:40])
            assert (await stream.receive()).startswith("SIP/2.0 200")
            stream.send(message[40:])
            assert (await stream.receive()).startswith("SIP/2.0 200")
            await stream.close()

        live.run(talk())
        live.until(lambda: not live.connections("tls"))


def test_variables_of_both_certificates(authority: Authority, tmp_path: Path) -> None:
    port = free_port()
    own = authority.issue("server", hosts=("example.com", "other.example.com"), ips=("192.0.2.1",))
    peer = authority.issue("phone", subject=PHONE, hosts=("phone.example.com",), ips=("2001:db8::1",), uris=("sip:example.com",),
                           emails=("phone@example.com",))
    names = re.findall(r"^ {4}(tls_\w+) = ", Path("modules/tls_mgm/variables.py").read_text(), re.MULTILINE)
    assert len(names) > 40
    names += ["tls_version", "tls_description", "tls_cipher_info", "tls_cipher_bits"]
    script = HEAD + server_domain("a", own, ca_list=str(authority.ca)) + (
        "route { " + "".join(f'xlog("XL|{name}=${name}\\n"); ' for name in names)
        + 'if (is_peer_verified()) xlog("XL|claim=verified\\n"); sl_send_reply(200, "OK"); }')
    with Live(script, tmp_path, port=port) as live:
        live.run(ask(port, trusting(authority.ca, certificate=peer)))
        found = dict(line.split("=", 1) for line in live.xlog())
    assert set(names) <= set(found)
    assert found["tls_peer_subject"] == "/C=AT/ST=Wien/L=Wien/O=Phones/OU=Desk/CN=phone"
    assert found["tls_peer_issuer"] == found["tls_my_issuer"] == "/CN=Test CA"
    wanted = {
        "tls_peer_subject_cn": "phone", "tls_peer_subject_country": "AT", "tls_peer_subject_state": "Wien",
        "tls_peer_subject_locality": "Wien", "tls_peer_subject_organization": "Phones", "tls_peer_subject_unit": "Desk",
        "tls_peer_issuer_cn": "Test CA", "tls_peer_issuer_unit": "<null>", "tls_my_subject_cn": "server", "tls_peer_version": "2",
        "tls_peer_san_hostname": "phone.example.com", "tls_peer_san_ip": "2001:db8::1", "tls_peer_san_uri": "sip:example.com",
        "tls_peer_san_email": "phone@example.com", "tls_my_san_hostname": "example.com", "tls_my_san_ip": "192.0.2.1",
        "tls_my_san_email": "<null>", "tls_peer_verified": "1", "tls_peer_revoked": "0", "tls_peer_expired": "0",
        "tls_peer_selfsigned": "0", "tls_version": "TLSv1.3", "claim": "verified", "tls_peer_subject_serial": "<null>",
    }
    assert {name: found[name] for name in wanted} == wanted
    assert re.fullmatch(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT", found["tls_peer_notAfter"])
    assert found["tls_peer_serial"].isdigit() and int(found["tls_cipher_bits"]) >= 128
    assert found["tls_cipher_info"] in found["tls_description"]


def test_without_tls_the_variables_are_null() -> None:
    with Harness("""
            log_level=3
            socket=udp:127.0.0.1:5060
            loadmodule "proto_udp.so"
            loadmodule "tls_openssl.so"
            loadmodule "tls_mgm.so"
            route { xlog("XL|$tls_version $tls_peer_subject $tls_peer_verified\\n");
                    if (!is_peer_verified()) xlog("XL|not verified\\n"); }""") as harness:
        harness.send(make_request())
        assert harness.xlog() == ["<null> <null> <null>", "not verified"]


@pytest.mark.parametrize("params, shown, accepted", [
    ({}, None, False), ({}, "good", True), ({}, "foreign", False), ({}, "expired", False), ({}, "self", False),
    ({"require_cert": "0"}, None, True), ({"require_cert": "0"}, "foreign", False), ({"require_cert": "0"}, "good", True),
    ({"verify_cert": "0"}, None, True), ({"verify_cert": "0"}, "foreign", True),
])
def test_what_is_asked_of_clients(
    authority: Authority, tmp_path: Path, params: dict[str, str], shown: str | None, accepted: bool,
) -> None:
    port = free_port()
    files = {
        "good": lambda: authority.issue("good"), "foreign": lambda: Authority(tmp_path, "Other CA").issue("foreign"),
        "expired": lambda: authority.issue("expired", expired=True), "self": lambda: authority.issue("self", self_signed=True),
    }
    script = HEAD + server_domain("a", authority.issue("server"), ca_list=str(authority.ca), **params) + (
        'route { sl_send_reply(200, "OK"); }')
    with Live(script, tmp_path, port=port) as live:
        context = trusting(authority.ca, certificate=files[shown]() if shown else None)
        assert live.run(refused(port, context)) is not accepted
        live.until(lambda: not live.connections("tls"))


@pytest.mark.parametrize("check_all", ["0", "1"])
def test_revoked_certificates_are_refused(authority: Authority, tmp_path: Path, check_all: str) -> None:
    port = free_port()
    folder = tmp_path / "crl"
    folder.mkdir()
    good, bad = authority.issue("good"), authority.issue("bad")
    authority.revoke(bad[0], folder)
    script = HEAD + server_domain(
        "a", authority.issue("server"), ca_list=str(authority.ca), crl_dir=str(folder), crl_check_all=check_all) + (
        'route { sl_send_reply(200, "OK"); }')
    with Live(script, tmp_path, port=port) as live:
        assert live.run(refused(port, trusting(authority.ca, certificate=good))) is False
        assert live.run(refused(port, trusting(authority.ca, certificate=bad))) is True


@pytest.mark.parametrize("asked, shown", [
    ("atlanta.com", "atlanta"), ("ATLANTA.com", "atlanta"), ("x.biloxi.com", "biloxi"), ("special.biloxi.com", "special"),
    (None, "generic"), ("127.0.0.1", "generic"), ("elsewhere.org", None),
])
def test_the_name_a_client_asks_for_chooses_the_domain(
    authority: Authority, tmp_path: Path, asked: str | None, shown: str | None,
) -> None:
    port = free_port()
    # The newest comes first: what fits best must not depend on the order.
    script = HEAD + "".join(
        server_domain(name, authority.issue(name), match_sip_domain=pattern, verify_cert=verify, ca_list=str(authority.ca))
        for name, pattern, verify in (
            ("atlanta", "atlanta.com, sip.atlanta.com", "0"), ("special", "special.biloxi.com", "0"), ("biloxi", "*.biloxi.com", "0"),
            ("generic", "none", "0"), ("strict", "strict.com", "1"))
    ) + 'route { xlog("XL|$tls_my_subject_cn\\n"); sl_send_reply(200, "OK"); }'
    with Live(script, tmp_path, port=port) as live:

        async def come() -> None:
            context = trusting(authority.ca)
            await ask(port, context, asked or "")

        if shown is None:
            with pytest.raises((ssl.SSLError, OSError)):
                live.run(come())
        else:
            live.run(come())
        assert live.xlog() == ([shown] if shown else [])
        # The demands are those of the domain, not of the one that was there first.
        assert live.run(refused(port, trusting(authority.ca), "strict.com"))
        good = authority.issue("good")
        assert not live.run(refused(port, trusting(authority.ca, certificate=good), "strict.com"))


def test_the_address_chooses_the_domain(authority: Authority, tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    script = HEAD.replace("loadmodule", f"socket=tls:127.0.0.1:{second}\nloadmodule", 1) + server_domain(
        "one", authority.issue("one"), match_ip_address=f"127.0.0.1:{first}, [::1]:5061", verify_cert="0") + server_domain(
        "any", authority.issue("any"), verify_cert="0") + (
        'route { xlog("XL|$tls_my_subject_cn\\n"); sl_send_reply(200, "OK"); }')
    with Live(script, tmp_path, port=first) as live:
        live.run(ask(first, trusting(authority.ca)))
        live.run(ask(second, trusting(authority.ca)))
        assert live.xlog() == ["one", "any"]


def test_no_domain_no_connection(authority: Authority, tmp_path: Path) -> None:
    port = free_port()
    script = HEAD + server_domain("a", authority.issue("a"), match_ip_address="127.0.0.9:5061") + "route { exit; }"
    with Live(script, tmp_path, port=port) as live:
        assert live.run(refused(port, trusting(authority.ca)))
        assert not live.connections("tls")


@pytest.mark.parametrize("method, lowest, highest", [
    ("TLSv1_2", "TLSv1.2", "TLSv1.2"), ("tlsv1_3", "TLSv1.3", "TLSv1.3"), ("TLSv1_2-TLSv1_3", "TLSv1.2", "TLSv1.3"),
    ("-TLSv1_2", "TLSv1.2", "TLSv1.2"), ("-", "TLSv1.2", "TLSv1.3"), ("SSLv23", "TLSv1.2", "TLSv1.3"),
])
def test_versions(authority: Authority, tmp_path: Path, method: str, lowest: str, highest: str) -> None:
    port = free_port()
    script = HEAD + server_domain("a", authority.issue("a"), verify_cert="0", tls_method=method) + (
        'route { xlog("XL|$tls_version\\n"); sl_send_reply(200, "OK"); }')
    with Live(script, tmp_path, port=port) as live:
        context = trusting(authority.ca)
        live.run(ask(port, context))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        low = live.run(refused(port, context))
        assert live.xlog() == ([highest] if low else [highest, lowest])
        assert low is (lowest == "TLSv1.3")


def test_ciphers_and_curve(authority: Authority, tmp_path: Path) -> None:
    port = free_port()
    script = HEAD + server_domain(
        "a", authority.issue("a"), verify_cert="0", tls_method="TLSv1_2", ciphers_list="ECDHE-ECDSA-AES256-GCM-SHA384",
        ec_curve="secp384r1") + 'route { xlog("XL|$tls_cipher_info $tls_cipher_bits\\n"); sl_send_reply(200, "OK"); }'
    with Live(script, tmp_path, port=port) as live:
        live.run(ask(port, trusting(authority.ca)))
        assert live.xlog() == ["ECDHE-ECDSA-AES256-GCM-SHA384 256"]
        assert live.mi("tls_list")["Domains"][0]["EC_CURVE"] == "secp384r1"


@pytest.mark.parametrize("text, complaint", [
    ('modparam("tls_mgm", "certificate", "/etc/cert.pem")', "not of the form"),
    ('modparam("tls_mgm", "certificate", "[a]/etc/cert.pem")', "not defined"),
    ('modparam("tls_mgm", "server_domain", "a") modparam("tls_mgm", "server_domain", "a")', "defined twice"),
    ('modparam("tls_mgm", "server_domain", "a") modparam("tls_mgm", "certificate", "[a]/nowhere/x.pem")', "bad certificate"),
    ('modparam("tls_mgm", "server_domain", "a") modparam("tls_mgm", "tls_method", "[a]SSLv3")', "unsupported method"),
    ('modparam("tls_mgm", "client_domain", "a") modparam("tls_mgm", "ciphers_list", "[a]NOSUCH")', "bad ciphers_list"),
    ('modparam("tls_mgm", "client_domain", "a") modparam("tls_mgm", "ca_list", "[a]/nowhere")', "bad ca_list"),
    ('modparam("tls_mgm", "client_domain", "a") modparam("tls_mgm", "dh_params", "[a]/nowhere")', "bad dh_params"),
    ('modparam("tls_mgm", "client_domain", "a") modparam("tls_mgm", "ec_curve", "[a]nocurve")', "bad ec_curve"),
    ('modparam("tls_mgm", "client_domain", "a") modparam("tls_mgm", "match_ip_address", "[a]example.com")', "no address"),
    ('modparam("tls_mgm", "client_domain", "a") modparam("tls_mgm", "verify_cert", "[a]yes")', "not a number"),
    ('modparam("tls_mgm", "tls_library", "wolfssl")', "not loaded"),
    ('loadmodule "tls_wolfssl.so"', "more than one"),
])
def test_mistakes_are_told_at_start(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        Live(HEAD + text + "\nroute { exit; }", tmp_path, port=free_port())
    assert complaint in str(caught.value)


def test_a_library_module_is_asked_for(tmp_path: Path) -> None:
    script = HEAD.replace('loadmodule "tls_openssl.so"', "") + "route { exit; }"
    with pytest.raises(ConfigErrors) as caught:
        Live(script, tmp_path, port=free_port())
    assert "tls_openssl.so" in str(caught.value)
    with Live(script.replace("route", 'modparam("tls_mgm", "tls_library", "none") route'), tmp_path, port=free_port()):
        pass
    with Live(script.replace("loadmodule", 'loadmodule "tls_wolfssl.so"\nloadmodule', 1), tmp_path, port=free_port()) as live:
        live.log.flush()
        assert any("no wolfSSL here" in line for line in live.log.lines)


def test_list_of_domains(authority: Authority, tmp_path: Path) -> None:
    own = authority.issue("a")
    script = HEAD + server_domain("a", own, match_ip_address="127.0.0.1:5061,127.0.0.2:5061", tls_method="TLSv1_2-") + client_domain(
        "c", match_sip_domain="x.com,y.com", ca_list=str(authority.ca)) + "route { exit; }"
    with Live(script, tmp_path, port=free_port()) as live:
        client, server = live.mi("tls_list")["Domains"]
        assert live.mi("tls_trace") == {"TLS tracing": "off"}
    assert server == {
        "name": "a", "type": "TLS_DOMAIN_SRV", "IP ADDRESS FILTERS": ["127.0.0.2:5061", "127.0.0.1:5061"], "SIP DOMAIN FILTERS": ["*"],
        "METHOD": "TLSv1_2-TLSv1_3", "VERIFY_CERT": True, "REQ_CLI_CERT": True, "CRL_CHECKALL": False, "CERT_FILE": own[0],
        "CRL_DIR": "", "CA_FILE": "", "CA_DIR": "/etc/pki/CA/", "PKEY_FILE": own[1], "CIPHER_LIST": "", "DH_PARAMS_FILE": "",
        "EC_CURVE": "",
    }
    assert (client["type"], client["SIP DOMAIN FILTERS"], client["REQ_CLI_CERT"]) == ("TLS_DOMAIN_CLI", ["y.com", "x.com"], False)


def test_domains_of_a_database(authority: Authority, tmp_path: Path) -> None:
    from engine.server import dbtool

    port, url = free_port(), f"sqlite://{tmp_path}/tls.sqlite"
    assert dbtool.main(["create", "--if-missing", "--with-tls_mgm", url]) == 0
    import sqlite3

    def add(name: str, files: tuple[str, str], **more: Any) -> None:
        row = {
            "domain": name, "match_ip_address": "*", "match_sip_domain": "*", "type": 2, "method": "SSLv23", "verify_cert": 0,
            "require_cert": 0, "certificate": Path(files[0]).read_bytes(), "private_key": Path(files[1]).read_bytes(), **more,
        }
        with sqlite3.connect(tmp_path / "tls.sqlite") as database:
            database.execute(f"insert into tls_mgm ({','.join(row)}) values ({','.join('?' * len(row))})", tuple(row.values()))
        database.close()

    add("first", authority.issue("first"))
    add("broken", authority.issue("broken"), certificate=b"nonsense")
    script = HEAD.replace('loadmodule "sl.so"', 'loadmodule "sl.so"\nloadmodule "db_sqlite.so"') + (
        f'modparam("tls_mgm", "db_url", "{url}")\n') + server_domain(
        "scripted", authority.issue("scripted"), match_sip_domain="scripted.com", verify_cert="0") + (
        'route { xlog("XL|$tls_my_subject_cn\\n"); sl_send_reply(200, "OK"); }')
    with Live(script, tmp_path, port=port) as live:
        live.run(ask(port, trusting(authority.ca), "anything.com"))
        live.run(ask(port, trusting(authority.ca), "scripted.com"))
        listed = live.mi("tls_list")["Domains"]
        assert [one["name"] for one in listed] == ["first", "scripted"]
        assert "CERT_FILE" not in listed[0] and "PKEY_FILE" not in listed[0]
        add("second", authority.issue("second"), match_sip_domain="second.com", ca_list=authority.ca.read_bytes(), verify_cert=1)
        live.mi("tls_reload")
        live.run(ask(port, trusting(authority.ca), "second.com"))
        live.run(ask(port, trusting(authority.ca), "scripted.com"))
        assert live.xlog() == ["first", "scripted", "second", "scripted"]
        assert live.mi("tls_list")["Domains"][0]["name"] == "second"


def test_the_key_is_nowhere_in_the_log(authority: Authority, tmp_path: Path) -> None:
    own = authority.issue("a")
    with pytest.raises(ConfigErrors) as caught:
        Live(HEAD + server_domain("a", (own[0], authority.issue("b")[1])) + "route { exit; }", tmp_path, port=free_port())
    assert "key values mismatch" in str(caught.value) and "PRIVATE" not in str(caught.value)


def test_reload_without_a_database(authority: Authority, tmp_path: Path) -> None:
    from engine.errors import MiError

    script = HEAD + server_domain("a", authority.issue("a")) + "route { exit; }"
    with Live(script, tmp_path, port=free_port()) as live, pytest.raises(MiError, match="DB url not set"):
        live.mi("tls_reload")


def test_context_for_other_modules(authority: Authority, tmp_path: Path) -> None:
    script = HEAD + client_domain("c", ca_list=str(authority.ca)) + client_domain("loose", verify_cert="0") + "route { exit; }"
    with Live(script, tmp_path, port=free_port()) as live:
        module: Any = live.server.registry.modules["tls_mgm"]
        context = module.client_context("c")
        assert isinstance(context, ssl.SSLContext)
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)
        strict = module.client_context("c", check_host=True)
        assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert module.client_context("loose", check_host=True).check_hostname is False
        assert module.client_context("other") is None


def test_scripts_of_31_load_no_library() -> None:
    script = """
        log_level=3
        socket=udp:127.0.0.1:5060
        loadmodule "proto_udp.so"
        loadmodule "tls_mgm.so"
        modparam("tls_mgm", "client_domain", "c")
        route { exit; }"""
    with Harness(script, compat="3.1") as harness:
        assert harness.mi("tls_list")["Domains"][0]["name"] == "c"
    with pytest.raises(ConfigErrors, match="no TLS library"):
        Harness(script)


@pytest.mark.parametrize("host, good", [("localhost", True), ("elsewhere.example.com", False)])
def test_rest_client_goes_by_a_client_domain(authority: Authority, tmp_path: Path, host: str, good: bool) -> None:
    port = free_port()
    own = authority.issue("client")
    script = HEAD.replace('loadmodule "sl.so"', 'loadmodule "sl.so"\nloadmodule "rest_client.so"') + server_domain(
        "a", authority.issue("server"), verify_cert="0") + client_domain(
        "c", ca_list=str(authority.ca), certificate=own[0], private_key=own[1]) + """
        route {
            if (!rest_init_client_tls("nosuch")) xlog("XL|no such domain\\n");
            rest_init_client_tls("c");
            rest_get("https://localhost:{http}/", $var(body), , $var(code));
            xlog("XL|$rc $var(code) $var(body)\\n");
            sl_send_reply(200, "OK");
        }"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("web", hosts=(host,)))
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        writer.close()

    http = free_port()
    with Live(script, tmp_path, port=port, http=http) as live:

        async def talk() -> None:
            server = await asyncio.start_server(answer, "127.0.0.1", http, ssl=context)
            await ask(port, trusting(authority.ca))
            server.close()
            await server.wait_closed()

        live.run(talk())
        assert live.xlog() == ["no such domain", "1 200 hi" if good else live.xlog()[1]]
        assert good or live.xlog()[1].startswith("-")
