"""nathelper: the tests for NAT, Contact and SDP rewritten, received marks. Pings have a file of their own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigErrors
from modules.nathelper.addresses import is_address, is_private, source_uri
from modules.nathelper.raw import checksum, datagram, source_of
from modules.nathelper.sdp import addresses
from tests.helpers import Harness, Sent, make_reply, make_request

MODULES = "".join(f'loadmodule "{name}.so"\n' for name in ("sl", "tm", "sipmsgops", "nathelper"))
SDP = (
    "v=0\r\no=alice 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n"
    "m=video 4002 RTP/AVP 99\r\nc=IN IP4 10.0.0.6/127\r\n"
)
APP_SDP = "Content-Type: application/sdp\r\n"


def start(body: str, params: str = "", more: str = "", head: str = "") -> Harness:
    return Harness(f"{head}{MODULES}{params}\nroute {{ {body} }}\n{more}", preamble=True)


def relayed(body: str, headers: str = "", text: str = "", params: str = "", **more: object) -> Sent:
    """What a script forwards."""
    with start(f"{body} forward();", params) as server:
        sent, = server.send(make_request("MESSAGE", "sip:b@127.0.0.1:5090", headers=headers, body=text), **more)  # type: ignore[arg-type]
        return sent


def verdict(flags: str, headers: str = "", via: str | None = None, body: str = "", source: tuple[str, int] = ("127.0.0.1", 5070)) -> bool:
    with start(f'if (nat_uac_test({flags})) xlog("XL|nat\\n");') as server:
        server.send(make_request("INVITE", headers=headers, via=via, body=body), source)
        return bool(server.xlog())


# ---------------------------------------------------------------- nat_uac_test


@pytest.mark.parametrize(("flags", "contact", "expected"), [
    ('"private-contact"', "<sip:a@10.1.2.3>", True),
    ('"private-contact"', "<sip:a@192.0.2.1>", False),
    ('"private-contact"', "<sip:a@phone.invalid>", False),
    ('"private-contact"', "<sip:a@192.0.2.1>, <sip:a@192.168.1.1>", True),
    ('"private-contact"', "<tel:+1>, <sip:a@192.168.1.1>", False),
    ('"private-contact"', "*", False),
    ('"private-contact"', "<sip:a@192.0.0.2>", False),
    ('"private-contact,carrier-grade-nat"', "<sip:a@192.0.0.2>", True),
    ('"diff-ip-src-contact"', "<sip:a@127.0.0.1:5>", False),
    ('"diff-ip-src-contact"', "<sip:a@localhost>", True),
    ('"diff-port-src-contact"', "<sip:a@127.0.0.1:5070>", False),
    ('"diff-port-src-contact"', "<sip:a@127.0.0.1>", True),
    ("1", "<sip:a@10.1.2.3>", True),
    ("19", "<sip:a@192.0.2.1>", False),
    ("0x40", "<sip:a@127.0.0.1>", True),
    ('"33"', "<sip:a@192.0.2.1>", True),
])
def test_contact(flags: str, contact: str, expected: bool) -> None:
    assert verdict(flags, f"Contact: {contact}\r\n") is expected


@pytest.mark.parametrize(("flags", "via", "expected"), [
    ("diff-ip-src-via", "127.0.0.1:5070", False),
    ("diff-ip-src-via", "192.0.2.1:5070", True),
    ("diff-ip-src-via", "127.0.0.1:5070;received=1.2.3.4", True),
    ("diff-ip-src-via", "192.0.2.1;maddr=127.0.0.1", False),
    ("diff-port-src-via", "127.0.0.1:5070", False),
    ("diff-port-src-via", "127.0.0.1", True),
    ("private-via", "172.31.255.255", True),
    ("private-via", "172.32.0.1", False),
])
def test_via(flags: str, via: str, expected: bool) -> None:
    assert verdict(f'"{flags}"', via=f"SIP/2.0/UDP {via};branch=z9hG4bK1") is expected


@pytest.mark.parametrize(("line", "expected"), [
    ("c=IN IP4 10.0.0.5", True), ("c=IN IP4 8.8.8.8", False), ("c=IN IP4 0.0.0.0", False), ("c=IN IP6 fe80::1", False), ("s=-", False),
])
def test_sdp(line: str, expected: bool) -> None:
    assert verdict('"private-sdp"', APP_SDP, body=f"v=0\r\n{line}\r\nt=0 0\r\n") is expected
    assert verdict('"private-sdp"', "Content-Type: text/plain\r\n", body=f"v=0\r\n{line}\r\n") is False


def test_a_broken_contact_is_no_proof() -> None:
    assert verdict('"private-contact,diff-ip-src-contact"', 'Contact: "open <sip:a@10.0.0.1>\r\n') is False


def test_unknown_flags_stop_the_start() -> None:
    for call in ('nat_uac_test("private-kontakt")', "nat_uac_test(256)", 'fix_nated_sdp("rewrite")', "fix_nated_sdp(32)"):
        with pytest.raises(ConfigErrors):
            start(f"{call};").close()


@given(st.ip_addresses(v=4))
def test_private_addresses(address: object) -> None:
    text = str(address)
    first, second = (int(part) for part in text.split(".")[:2])
    expected = first in (10, 127) or (first, second) == (192, 168) or (first == 172 and 16 <= second < 32) or (
        first == 100 and 64 <= second < 128)
    assert is_private(text) is expected
    assert is_address(text, text)


def test_addresses_as_text() -> None:
    assert is_address("[2001:db8::1]", "2001:DB8:0:0:0:0:0:1") and not is_address("host", "1.2.3.4")
    assert not is_private("10.0.0.256") and not is_private("[fd00::1]") and is_private("192.0.0.7", True)
    assert source_uri("::1", 5060, "tcp") == "sip:[::1]:5060;transport=tcp"


# ---------------------------------------------------------------- fix_nated_contact


@pytest.mark.parametrize(("call", "contact", "expected"), [
    ("", "<sip:a@10.0.0.1:99;transport=udp>;expires=60", "<sip:a@127.0.0.1:5070;transport=udp>;expires=60"),
    ("", "sip:a@10.0.0.1;q=0.4", "sip:a@127.0.0.1:5070;q=0.4"),
    ("", "<sip:10.0.0.1;lr>", "<sip:127.0.0.1:5070;lr>"),
    ("", "<sip:a@10.0.0.1>, \"B\" <sip:b@[::1]:9;x=y>", '<sip:a@127.0.0.1:5070>, "B" <sip:b@127.0.0.1:5070;x=y>'),
    ("", "<sip:a@h;x=1;maddr=1.2.3.4;y=2?h=1>", "<sip:a@127.0.0.1:5070;x=1;y=2?h=1>"),
    ('";z=1"', "<sip:a@10.0.0.1;x=1>;q=1", "<sip:a@127.0.0.1:5070;z=1;x=1>;q=1"),
    ('";z=1"', "sip:a@10.0.0.1;q=0.4", "<sip:a@127.0.0.1:5070;z=1>;q=0.4"),
    ("", "*", "*"),
    ("", "<sip:b@10.1.1.1>, <tel:+1>, <sip:c@10.1.1.1>", "<sip:b@127.0.0.1:5070>, <tel:+1>, <sip:c@10.1.1.1>"),
    ("", "<sip:sip@sip>", "<sip:sip@127.0.0.1:5070>"),
])
def test_contact_is_rewritten(call: str, contact: str, expected: str) -> None:
    assert relayed(f"fix_nated_contact({call});", f"Contact: {contact}\r\n").header("Contact") == expected


def test_contact_of_a_reply() -> None:
    with start("t_relay();", more="onreply_route { fix_nated_contact(); }") as server:
        sent = server.send(make_request("INVITE", "sip:b@127.0.0.1:5090"))[-1]
        reply, = server.send(make_reply(sent.text, 200, headers="Contact: <sip:b@10.0.0.9;ob>\r\n"), ("127.0.0.1", 5090))
        assert reply.header("Contact") == "<sip:b@127.0.0.1:5090;ob>"


def test_contact_twice_is_refused() -> None:
    with start('fix_nated_contact(); fix_nated_contact(); xlog("XL|$rc $ct\\n"); forward();') as server:
        sent, = server.send(make_request("INVITE", "sip:b@127.0.0.1:5090", headers="Contact: <sip:a@10.0.0.1>\r\n"))
        assert server.xlog() == ["-1 <sip:a@10.0.0.1>"] and sent.header("Contact") == "<sip:a@127.0.0.1:5070>"


def test_no_contact_and_a_removed_one() -> None:
    assert relayed("fix_nated_contact();").header("Contact") is None
    gone = relayed('remove_hf("Contact"); fix_nated_contact(); add_rcv_param();', "Contact: <sip:a@10.0.0.1>\r\n")
    assert "Contact" not in gone.text and "received=" not in gone.text


# ---------------------------------------------------------------- fix_nated_sdp


def changed(call: str, text: str = SDP, kind: str = APP_SDP, params: str = "") -> str:
    sent = relayed(f"fix_nated_sdp({call});", kind, text, params)
    body = sent.text.partition("\r\n\r\n")[2]
    assert sent.header("Content-Length") == str(len(body))
    return body


def test_all_changes() -> None:
    flags = '"add-dir-active,rewrite-media-ip,add-no-rtpproxy,rewrite-origin-ip"'
    assert changed(rf'{flags}, "192.0.2.9", "\r\na=x:1"') == SDP.replace("10.0.0.5", "192.0.2.9").replace(
        "10.0.0.6/127", "192.0.2.9",
    ) + "a=x:1\r\na=nortpproxy:yes\r\na=direction:active\r\na=oldoip:10.0.0.5\r\na=oldcip:10.0.0.5\r\na=oldcip:10.0.0.6/127\r\n"


@pytest.mark.parametrize(("flags", "marks"), [
    ('"rewrite-origin-ip"', "a=oldoip:10.0.0.5\r\n"), ("1", "a=direction:active\r\n"), ("4", "a=nortpproxy:yes\r\n"), ("8", "a=oldoip:10.0.0.5\r\n"),
])
def test_single_changes(flags: str, marks: str) -> None:
    body = changed(flags)
    assert body.endswith(SDP[-40:] + marks) and ("o=alice 1 1 IN IP4 127.0.0.1" in body) is ("oldo" in marks)


def test_held_media() -> None:
    held = SDP.replace("c=IN IP4 10.0.0.5", "c=IN IP4 0.0.0.0")
    assert "c=IN IP4 0.0.0.0" in changed('"rewrite-media-ip"', held)
    assert "a=oldcip:0.0.0.0" in changed('"rewrite-media-ip,rewrite-null-ips"', held)


def test_the_own_address_is_no_change() -> None:
    assert changed('"rewrite-media-ip"', "v=0\r\nc=IN IP4 127.0.0.1\r\n") == "v=0\r\nc=IN IP4 127.0.0.1\r\n"


def test_ipv6() -> None:
    assert "c=IN IP6 2001:db8::1\r\n" in changed('"rewrite-media-ip", "2001:db8::1"')
    with start('fix_nated_sdp("rewrite-media-ip"); xlog("XL|$rc\\n");') as server:
        server.send(make_request("INVITE", headers=APP_SDP, body="v=0\r\nc=IN IP6 ::1\r\n"))
        server.send(make_request("INVITE", headers=APP_SDP, body="v=0\r\ns=-\r\n", call_id="2"))
        server.send(make_request("INVITE", call_id="3"))
        assert server.xlog() == ["-1", "-1", "-1"]


def test_parameters_of_the_marks() -> None:
    assert changed('"add-no-rtpproxy"', params=r'modparam("nathelper", "nortpproxy_str", "a=mangled:yes\r\n")').endswith("a=mangled:yes\r\n")
    assert changed('"add-no-rtpproxy"', params='modparam("nathelper", "nortpproxy_str", "")') == SDP
    body = changed('"rewrite-media-ip,rewrite-origin-ip"', params='modparam("nathelper", "oldip_skip", "o c")')
    assert "oldcip" not in body and "oldoip" not in body


def test_sdp_inside_a_multipart() -> None:
    text = f"--b\r\nContent-Type: text/plain\r\n\r\nc=IN IP4 1.2.3.4\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b--\r\n"
    body = changed('"rewrite-media-ip"', text, 'Content-Type: multipart/mixed;boundary="b"\r\n')
    assert "c=IN IP4 1.2.3.4" in body and body.count("c=IN IP4 127.0.0.1") == 2
    assert body.endswith("a=oldcip:10.0.0.5\r\na=oldcip:10.0.0.6/127\r\n\r\n--b--\r\n")


def test_an_exchanged_body() -> None:
    sent = relayed(
        r'remove_body_part(); add_body_part("v=0\r\nc=IN IP4 10.9.9.9\r\n", "application/sdp"); fix_nated_sdp("rewrite-media-ip");',
        APP_SDP, SDP,
    )
    assert "c=IN IP4 127.0.0.1\r\na=oldcip:10.9.9.9\r\n" in sent.text


@given(st.text(alphabet="co=IPN46 .\r\nx:", max_size=80))
def test_any_text_is_searched(text: str) -> None:
    for found in addresses(text, "c"):
        assert text[found.start:].startswith(found.text) and text[found.family_start] == found.family


# ---------------------------------------------------------------- received marks


@pytest.mark.parametrize(("call", "contact", "expected"), [
    ("", "<sip:a@10.0.0.1>;expires=5", '<sip:a@10.0.0.1>;expires=5;received="sip:127.0.0.1:5070"'),
    ("0", "sip:a@10.0.0.1", 'sip:a@10.0.0.1;received="sip:127.0.0.1:5070"'),
    ("1", "<sip:a@10.0.0.1>;expires=5", '<sip:a@10.0.0.1;received="sip:127.0.0.1:5070">;expires=5'),
    ("1", "*", "*"),
])
def test_add_rcv_param(call: str, contact: str, expected: str) -> None:
    assert relayed(f"add_rcv_param({call});", f"Contact: {contact}\r\n").header("Contact") == expected


def test_fix_nated_register() -> None:
    head = "socket=udp:127.0.0.1:5060\nsocket=tcp:127.0.0.1:5060\nloadmodule \"proto_udp.so\"\nloadmodule \"proto_tcp.so\"\n"
    body = 'fix_nated_register(); xlog("XL|$avp(rcv)\\n");'
    param = 'modparam("nathelper", "received_avp", "$avp(rcv)")'
    with Harness(f"{head}{MODULES}{param}\nroute {{ {body} }}") as server:
        server.send(make_request("REGISTER"))
        server.send(make_request("REGISTER", via="SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bK9"), proto="tcp")
        assert server.xlog() == ["sip:127.0.0.1:5070", "sip:127.0.0.1:5070;transport=tcp"]
    with start(body) as server:
        server.send(make_request("REGISTER"))
        assert server.xlog() == ["<null>"]


# ---------------------------------------------------------------- natping_socket


def test_raw_datagrams() -> None:
    packet = datagram(b"\0\0\0\0", ("192.0.2.1", 5060), ("192.0.2.2", 5070))
    assert len(packet) == 32 and checksum(packet[:20]) == 0 and packet[9] == 17
    assert packet[12:20] == bytes((192, 0, 2, 1, 192, 0, 2, 2)) and packet[20:28] == bytes((0x13, 0xC4, 0x13, 0xCE, 0, 12, 0, 0))
    assert source_of("udp:192.0.2.1") == ("192.0.2.1", 5060) and source_of("192.0.2.1:99") == ("192.0.2.1", 99)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("param", [
    '"cluster_id", 1', '"cluster_sharing_tag", "vip"', '"natping_partitions", 9', '"oldip_skip", "x"', '"sipping_ignore_rpl_codes", "99"',
    '"received_avp", "rcv"', '"natping_interval", 30',
])
def test_parameters_that_are_refused(param: str) -> None:
    with pytest.raises(ConfigErrors):
        start("exit;", f'modparam("nathelper", {param})').close()
