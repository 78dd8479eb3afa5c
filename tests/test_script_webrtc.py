"""scripts/webrtc.cfg: browsers and phones call each other, sleeping ones are woken, strangers get nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.transport.certificates import Authority
from tests.engine.transport.live import Live, Stream, Web, free_port, trusting
from tests.helpers import Harness, Sent, make_reply

ROOT = Path(__file__).parent.parent
BROWSER, PHONE, STRANGER = ("127.0.0.1", 50001), ("127.0.0.1", 50002), ("127.0.0.1", 50003)
PROTO = {BROWSER: "wss", PHONE: "tls", STRANGER: "udp"}
CONTACT = {
    BROWSER: "sip:web@abc.invalid;transport=ws", PHONE: "sip:desk@127.0.0.1:50002;transport=tls", STRANGER: "sip:eve@127.0.0.1:50003",
}
PUSH = ";pn-provider=webpush;pn-prid=https%3A%2F%2Fpush.example.net%2Fp%2Fabc"


def text_of(folder: Path) -> str:
    """The script with certificates made for the test."""
    certificate, key = Authority(folder).issue("server", hosts=("localhost",))
    text = (ROOT / "scripts/webrtc.cfg").read_text()
    return text.replace("./run/tls/cert.pem", certificate).replace("./run/tls/key.pem", key)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    with Harness(text_of(tmp_path), folder=str(tmp_path), preamble=False) as made:
        yield made


def send(harness: Harness, source: tuple[str, int], text: str) -> list[Sent]:
    """Deliver a message over the transport its sender uses."""
    return harness.send(text, source, proto=PROTO[source])


def message(
    method: str, uri: str, source: tuple[str, int], *, to: str, call_id: str = "call", cseq: int = 1, to_tag: str = "", params: str = "",
    headers: str = "",
) -> str:
    """A request."""
    via = "abc.invalid" if source == BROWSER else f"{source[0]}:{source[1]}"
    user = CONTACT[source][4:].partition("@")[0]
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{PROTO[source].upper()} {via};branch=z9hG4bK-{method}-{call_id}-{cseq}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:{user}@127.0.0.1>;tag=from-{user}\r\nTo: <{to}>{to_tag}\r\nCall-ID: {call_id}\r\n"
        f"CSeq: {cseq} {method}\r\nContact: <{CONTACT[source]}{params}>\r\n{headers}Content-Length: 0\r\n\r\n")


def register(harness: Harness, source: tuple[str, int], *, cseq: int = 1, params: str = "") -> list[Sent]:
    """Register; everything the server sends because of it."""
    user = CONTACT[source][4:].partition("@")[0]
    return send(harness, source, message(
        "REGISTER", "sip:127.0.0.1", source, to=f"sip:{user}@127.0.0.1", call_id=f"reg-{user}", cseq=cseq, params=params,
        headers="Expires: 600\r\n"))


def lines(sent: list[Sent]) -> list[str]:
    return [one.first_line for one in sent]


def routes_of(text: str) -> list[str]:
    return re.findall(r"^Record-Route: (.*?)\r$", text, re.MULTILINE)


def test_a_browser_calls_a_phone_which_hangs_up(harness: Harness) -> None:
    assert lines(register(harness, BROWSER)) == ["SIP/2.0 200 OK"]
    assert lines(register(harness, PHONE)) == ["SIP/2.0 200 OK"]
    trying, invite = send(harness, BROWSER, message("INVITE", "sip:desk@127.0.0.1", BROWSER, to="sip:desk@127.0.0.1"))
    assert (trying.first_line, trying.proto) == ("SIP/2.0 100 Giving it a try", "wss")
    assert (invite.proto, (invite.ip, invite.port)) == ("tls", PHONE)
    routes = routes_of(invite.text)
    assert ["transport=tls" in routes[0], "transport=wss" in routes[1]] == [True, True]
    contact = re.search(r"^Contact: <(.*?)>", invite.text, re.MULTILINE)
    assert contact is not None
    assert contact[1].startswith("sip:web@127.0.0.1:50001")
    answer, = send(harness, PHONE, make_reply(invite.text, 200, "OK", to_tag="desk", headers=f"Contact: <{CONTACT[PHONE]}>\r\n"))
    assert (answer.first_line, answer.proto, answer.port) == ("SIP/2.0 200 OK", "wss", 50001)
    bye, = send(harness, PHONE, message(
        "BYE", contact[1], PHONE, to="sip:web@127.0.0.1", to_tag=";tag=from-web", cseq=2,
        headers="".join(f"Route: {route}\r\n" for route in routes)))
    assert (bye.first_line.split()[0], bye.proto, (bye.ip, bye.port)) == ("BYE", "wss", BROWSER)


def test_a_sleeping_browser_is_woken(harness: Harness) -> None:
    granted = register(harness, BROWSER, params=PUSH)
    assert '+sip.pns="webpush"' in (granted[0].header("Feature-Caps") or "")
    register(harness, PHONE)
    assert lines(send(harness, PHONE, message("INVITE", "sip:web@127.0.0.1", PHONE, to="sip:web@127.0.0.1"))) == [
        "SIP/2.0 100 Giving it a try"]
    assert any("push to webpush (ini-INVITE)" in line for line in harness.log)
    assert not any("push.example.net" in line for line in harness.log)
    back = register(harness, BROWSER, cseq=2, params=PUSH)
    assert [line.split()[0] for line in lines(back)] == ["SIP/2.0", "INVITE"]
    assert (back[1].proto, (back[1].ip, back[1].port)) == ("wss", BROWSER)


@pytest.mark.parametrize("method, uri, to_tag, headers, answer", [
    ("INVITE", "sip:desk@192.0.2.1", "", "", "403 Relaying Forbidden"),
    ("INVITE", "sip:desk@127.0.0.1", "", "Route: <sip:127.0.0.1:5060;lr>, <sip:192.0.2.7;lr>\r\n", "403 Preload Route Denied"),
    ("BYE", "sip:desk@192.0.2.1", ";tag=x", "Route: <sip:127.0.0.1:5060;lr>\r\n", "404 Not Found"),
    ("BYE", "sip:desk@192.0.2.1", ";tag=x", "Route: <sip:127.0.0.1:5060;lr;dlg=guessed>, <sip:192.0.2.7;lr>\r\n", "404 Not Found"),
    ("BYE", "sip:desk@192.0.2.1", ";tag=x", "", "404 Not Found"), ("INVITE", "sip:127.0.0.1", "", "", "484 Address Incomplete"),
    ("INVITE", "sip:nobody@127.0.0.1", "", "", "404 Not Found"),
])
def test_strangers_get_nowhere(harness: Harness, method: str, uri: str, to_tag: str, headers: str, answer: str) -> None:
    sent = send(harness, STRANGER, message(method, uri, STRANGER, to="sip:desk@127.0.0.1", to_tag=to_tag, headers=headers))
    assert [line for line in lines(sent) if " 100 " not in line] == [f"SIP/2.0 {answer}"]


def test_over_real_sockets(tmp_path: Path) -> None:
    text = text_of(tmp_path)
    ports = {"wss": free_port(), "tls": free_port(), "udp": free_port()}
    for proto, port in (("wss", 8443), ("tls", 5061), ("udp", 5060)):
        text = text.replace(f"socket={proto}:127.0.0.1:{port}", f"socket={proto}:127.0.0.1:{ports[proto]}")
    with Live(text, tmp_path) as live:

        async def ring() -> None:
            context = trusting(tmp_path / "test-ca.pem")
            browser = await Web.open("127.0.0.1", ports["wss"], context, name="localhost")
            phone = await Stream.open("127.0.0.1", ports["tls"], context, "localhost")
            await browser.send(message(
                "REGISTER", "sip:127.0.0.1", BROWSER, to="sip:web@127.0.0.1", call_id="reg", headers="Expires: 60\r\n"))
            assert (await browser.receive()).startswith("SIP/2.0 200")
            phone.send(message("INVITE", "sip:web@127.0.0.1", PHONE, to="sip:web@127.0.0.1"))
            assert (await phone.receive()).startswith("SIP/2.0 100")
            invite = await browser.receive()
            assert invite.startswith("INVITE sip:web@abc.invalid;transport=ws SIP/2.0\r\n")
            await browser.send(make_reply(invite, 486, "Busy Here", to_tag="web"))
            assert (await phone.receive()).startswith("SIP/2.0 486")
            assert (await browser.receive()).startswith("ACK ")
            await browser.close()
            await phone.close()

        live.run(ring())
