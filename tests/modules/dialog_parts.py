"""What the tests of dialog share: a script on wires, alice who calls and bob who answers."""

from __future__ import annotations

import asyncio
from typing import Any

from modules.dialog.cell import Dialog
from tests.helpers import Harness, Sent, make_reply, make_request

ALICE = ("127.0.0.1", 5070)
BOB = ("127.0.0.1", 5090)
BOB_URI = "sip:bob@127.0.0.1:5090"
ALICE_CONTACT = "Contact: <sip:alice@127.0.0.1:5070>\r\n"
BOB_CONTACT = f"Contact: <{BOB_URI}>\r\n"

MODULES = "".join(f'loadmodule "{name}.so"\n' for name in ("sl", "tm", "rr", "sipmsgops"))
INSIDE = "if (has_totag()) { loose_route(); t_relay(); exit; }\nif (is_method(\"CANCEL\")) { t_relay(); exit; }\n"


class Phones(Harness):
    """A script with dialog. main: what the request route does with a new INVITE, inside: with requests inside a dialog; more:
    other routes; before, params: lines in front of the modules and behind them."""

    def __init__(
        self, main: str = "create_dialog(); record_route(); t_relay();", inside: str = INSIDE, more: str = "", params: str = "",
        before: str = "", **options: Any,
    ) -> None:
        self.branch = 0
        text = f'{before}{MODULES}loadmodule "dialog.so"\n{params}\nroute {{\n{inside}{main}\n}}\n{more}\n'
        super().__init__(text, preamble=True, **options)

    @property
    def module(self) -> Any:
        """The module."""
        return self.server.registry.get("dialog")

    @property
    def dialogs(self) -> list[Dialog]:
        """Those in the table."""
        return list(self.module.table)

    def stats(self) -> dict[str, int]:
        """The counters that are not zero."""
        names = ("active_dialogs", "early_dialogs", "processed_dialogs", "expired_dialogs", "failed_dialogs")
        return {name.removesuffix("_dialogs"): count for name in names if (count := getattr(self.module, name).count)}

    def _next_branch(self) -> str:
        self.branch += 1
        return f"z9hG4bK-n{self.branch}"

    def invite(self, uri: str = BOB_URI, *, headers: str = "", **more: Any) -> Sent:
        """alice calls; the INVITE as bob gets it."""
        sent = self.send(make_request("INVITE", uri, branch=self._next_branch(), headers=ALICE_CONTACT + headers, **more), ALICE)
        return next(one for one in sent if one.text.startswith("INVITE"))

    def answer(self, request: Sent, code: int, **more: Any) -> list[Sent]:
        """Whoever got a request replies; what goes out."""
        headers = more.pop("headers", BOB_CONTACT)
        return self.send(make_reply(request.text, code, headers=headers, **more), (request.ip, request.port))

    def call_in_worker(self, work: Any) -> Any:
        """Its result, as script code is run."""
        return super().call(work)

    def call(self, uri: str = BOB_URI, *, code: int = 200, answer_body: str = "", **more: Any) -> Sent:  # type: ignore[override]
        """A whole set-up, with ACK; the INVITE as bob got it."""
        invite = self.invite(uri, **more)
        self.answer(invite, code, body=answer_body)
        self.from_alice("ACK", invite, cseq=more.get("cseq", 1))
        return invite

    def from_alice(self, method: str, invite: Sent, *, headers: str = "", route: bool = True, **more: Any) -> list[Sent]:
        """alice sends a request inside the dialog."""
        line = f"Route: {invite.header('Record-Route')}\r\n" if route else ""
        more.setdefault("to_tag", "b1")
        return self.send(make_request(
            method, BOB_URI, branch=self._next_branch(), call_id=invite.header("Call-ID") or "", headers=line + headers, **more,
        ), ALICE)

    def from_bob(self, method: str, invite: Sent, *, cseq: int = 1, headers: str = "", body: str = "") -> list[Sent]:
        """bob sends one."""
        head = (
            f"{method} sip:alice@127.0.0.1:5070 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5090;branch={self._next_branch()}\r\n"
            f"Max-Forwards: 70\r\nFrom: {invite.header('To')};tag=b1\r\nTo: {invite.header('From')}\r\n"
            f"Call-ID: {invite.header('Call-ID')}\r\nCSeq: {cseq} {method}\r\nRoute: {invite.header('Record-Route')}\r\n"
        )
        return self.send(f"{head}{headers}Content-Length: {len(body)}\r\n\r\n{body}", BOB)

    def wait_for(self, method: str) -> Sent:
        """The request the server sends when what it waits for in async() has come."""

        async def turn() -> None:
            await asyncio.sleep(0.001)

        for _ in range(1000):
            for one in self.sent:
                if one.text.startswith(method):
                    return one
            self._do(turn())
        raise AssertionError(f"no {method} was sent")

    def hang_up(self, invite: Sent, cseq: int = 2) -> None:
        """alice's BYE, bob's 200."""
        bye, = self.from_alice("BYE", invite, cseq=cseq)
        self.answer(bye, 200)


def starts(sent: list[Sent]) -> list[str]:
    """Method or code of each message with the port it goes to."""
    return [f"{one.port} {one.first_line.split()[1 if one.first_line.startswith('SIP/') else 0]}" for one in sent]
