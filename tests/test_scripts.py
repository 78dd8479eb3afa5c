"""The scripts that come with the project: each starts, and does what its first lines say."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from engine.server import dbtool
from tests.helpers import Harness, Sent, make_reply

ROOT = Path(__file__).parent.parent
PHONE, CALLER = ("127.0.0.1", 5090), ("127.0.0.1", 5091)
PN = "pn-provider=fcm;pn-prid=token-1;pn-param=project-1"


def free_port() -> int:
    """A TCP port nobody uses, for the management interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(name: str, folder: Path) -> Harness:
    """A script of the project in a folder of its own; management on a free port."""
    text = (ROOT / name).read_text()
    text = text.replace('"port", 8888', f'"port", {free_port()}')
    text = text.replace("sqlite:./run/", f"sqlite://{folder}/")
    assert dbtool.main(["create", "--if-missing", f"sqlite://{folder}/registrations.sqlite"]) == 0
    return Harness(text, folder=str(folder), preamble=False)


def message(
    method: str, uri: str, source: tuple[str, int], *, to: str = "sip:bob@127.0.0.1", call_id: str = "call", cseq: int = 1, to_tag: str = "",
    headers: str = "", branch: str = "",
) -> str:
    """A request."""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {source[0]}:{source[1]};branch=z9hG4bK-{branch or method}-{call_id}-{cseq}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:alice@127.0.0.1>;tag=from-{call_id}\r\nTo: <{to}>{to_tag}\r\nCall-ID: {call_id}\r\n"
        f"CSeq: {cseq} {method}\r\n{headers}Content-Length: 0\r\n\r\n")


def register(harness: Harness, cseq: int, params: str = "") -> list[Sent]:
    """The phone registers; everything the server sends because of it."""
    contact = f"<sip:bob@{PHONE[0]}:{PHONE[1]}{';' + params if params else ''}>"
    return harness.send(
        message("REGISTER", "sip:127.0.0.1", PHONE, call_id="reg", cseq=cseq, headers=f"Contact: {contact}\r\nExpires: 600\r\n"), PHONE)


def lines(sent: list[Sent]) -> list[str]:
    """First lines of what was sent."""
    return [one.first_line for one in sent]


def invite(harness: Harness, call_id: str = "call") -> list[Sent]:
    """The caller calls bob."""
    return harness.send(
        message("INVITE", "sip:bob@127.0.0.1", CALLER, call_id=call_id, headers=f"Contact: <sip:alice@{CALLER[0]}:{CALLER[1]}>\r\n"), CALLER)


@pytest.mark.parametrize("name", ["scripts/registrar.cfg", "scripts/pn_registrar.cfg", "opensips_like.cfg"])
def test_a_registered_phone_is_called(name: str, tmp_path: Path) -> None:
    with start(name, tmp_path) as harness:
        assert lines(register(harness, 1)) == ["SIP/2.0 200 OK"]
        sent = invite(harness)
        assert lines(sent)[0] == "SIP/2.0 100 Giving it a try"
        assert lines(sent)[1] == f"INVITE sip:bob@{PHONE[0]}:{PHONE[1]} SIP/2.0"
        assert (sent[1].ip, sent[1].port) == PHONE
        answer = harness.send(make_reply(sent[1].text, 200, "OK", to_tag="bob"), PHONE)
        assert lines(answer) == ["SIP/2.0 200 OK"]
        record = re.search(r"^Record-Route: (.*)\r$", answer[0].text, re.M)
        assert record
        bye = harness.send(message(
            "BYE", f"sip:bob@{PHONE[0]}:{PHONE[1]}", CALLER, cseq=2, to_tag=";tag=bob", headers=f"Route: {record[1]}\r\n"), CALLER)
        assert lines(bye) == [f"BYE sip:bob@{PHONE[0]}:{PHONE[1]} SIP/2.0"]


@pytest.mark.parametrize("name", ["scripts/pn_registrar.cfg", "opensips_like.cfg"])
def test_a_sleeping_phone_is_woken(name: str, tmp_path: Path) -> None:
    with start(name, tmp_path) as harness:
        granted = register(harness, 1, PN)
        assert "+sip.pns=\"fcm\"" in (granted[0].header("Feature-Caps") or "")
        assert lines(invite(harness)) == ["SIP/2.0 100 Giving it a try"]
        assert lines(register(harness, 2, PN)) == ["SIP/2.0 200 OK", f"INVITE sip:bob@{PHONE[0]}:{PHONE[1]} SIP/2.0"]
        log = "\n".join(harness.log)
        assert "push" in log.lower()
        assert "token-1" not in log


def test_the_default_script_gives_up_after_a_while(tmp_path: Path) -> None:
    with start("opensips_like.cfg", tmp_path) as harness:
        register(harness, 1, PN)
        invite(harness)
        assert set(lines(harness.advance(7))) == {"SIP/2.0 408 Request Timeout"}


@pytest.mark.parametrize("name", ["scripts/registrar.cfg", "scripts/pn_registrar.cfg", "opensips_like.cfg"])
def test_no_open_relay(name: str, tmp_path: Path) -> None:
    with start(name, tmp_path) as harness:
        sent = harness.send(message("INVITE", "sip:bob@192.0.2.1", CALLER), CALLER)
        assert [line for line in lines(sent) if "100" not in line] == ["SIP/2.0 403 Relaying Forbidden"]


def test_the_default_script_refuses_preloaded_routes(tmp_path: Path) -> None:
    with start("opensips_like.cfg", tmp_path) as harness:
        sent = harness.send(message(
            "INVITE", "sip:bob@127.0.0.1", CALLER, headers="Route: <sip:127.0.0.1:5060;lr>, <sip:192.0.2.7;lr>\r\n"), CALLER)
        assert [line for line in lines(sent) if "100" not in line] == ["SIP/2.0 403 Preload Route Denied"]


def test_the_proxy_sends_to_its_server(tmp_path: Path) -> None:
    text = (ROOT / "scripts/proxy.cfg").read_text()
    with Harness(text, folder=str(tmp_path), preamble=False) as harness:
        assert lines(harness.send(message("MESSAGE", "sip:bob@127.0.0.1", CALLER), CALLER)) == ["SIP/2.0 503 Service Unavailable"]
        harness.server.options["SERVER"] = "sip:127.0.0.1:5080"
        sent = harness.send(message("MESSAGE", "sip:bob@example.com", CALLER, call_id="two"), CALLER)
        assert lines(sent) == ["MESSAGE sip:bob@example.com SIP/2.0"]
        assert sent[0].port == 5080


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.cfg")) + [ROOT / "opensips_like.cfg"], ids=lambda path: path.name)
def test_scripts_listen_on_loopback_only(path: Path) -> None:
    for found in re.findall(r"^socket=\w+:([^\s:]+)", path.read_text(), re.M):
        assert found == "127.0.0.1"
