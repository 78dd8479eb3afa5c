"""What the tests of tm share: a script on wires, and phones that answer what they got."""

from __future__ import annotations

from typing import Any

from engine.script.context import Branch
from tests.helpers import Harness, Sent, make_reply, make_request

SOURCE = ("127.0.0.1", 5070)
BOB, CAROL, DAVE = "127.0.0.1:5090", "127.0.0.1:5091", "127.0.0.1:5092"

MODULES = 'loadmodule "sl.so"\nloadmodule "tm.so"\nloadmodule "sipmsgops.so"\n'


class Calls(Harness):
    """A script with tm. main: body of the request route; more: other routes; params: modparam lines."""

    def __init__(self, main: str, more: str = "", params: str = "", head: str = "", modules: str = "") -> None:
        super().__init__(f"{head}\n{MODULES}{modules}{params}\nroute {{\n{main}\n}}\n{more}\n", preamble=True)

    @property
    def tm(self) -> Any:
        """The module."""
        return self.server.async_hook

    @property
    def transactions(self) -> list[Any]:
        """Those that live."""
        return list(self.tm.table)

    def invite(self, uri: str = f"sip:bob@{BOB}", **more: Any) -> list[Sent]:
        """Send an INVITE; what goes out."""
        return self.send(make_request("INVITE", uri, **more), SOURCE)

    def answer(self, sent: Sent, code: int, **more: Any) -> list[Sent]:
        """The phone that got a request replies."""
        return self.send(make_reply(sent.text, code, **more), (sent.ip, sent.port))

    def ack(self, reply: Sent, **more: Any) -> list[Sent]:
        """The caller acknowledges a negative reply."""
        tag = (reply.header("To") or "").partition("tag=")[2]
        return self.send(make_request("ACK", f"sip:bob@{BOB}", to_tag=tag, **more), SOURCE)

    def cancel(self, **more: Any) -> list[Sent]:
        """The caller gives up."""
        return self.send(make_request("CANCEL", f"sip:bob@{BOB}", **more), SOURCE)

    def inject(self, *uris: str, **more: Any) -> int:
        """Add branches to the only transaction."""
        transaction = self.transactions[0]
        return int(self.call(lambda: self.tm.inject(transaction, [Branch(uri) for uri in uris], **more)))


def lines(sent: list[Sent]) -> list[str]:
    """Start lines with the port they go to."""
    return [f"{one.port} {one.first_line.removesuffix(' SIP/2.0').removeprefix('SIP/2.0 ')}" for one in sent]
