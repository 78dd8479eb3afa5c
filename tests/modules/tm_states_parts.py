"""A proxy with one branch, as the tests of the state machines see it: events in, and what crossed the wire in short words.

    >INVITE  a request went to the phone        <180  a reply went to the caller
"""

from __future__ import annotations

from typing import Any

from engine.errors import TransportError
from tests.helpers import Harness, Sent, WireConnection, make_reply, make_request

CALLER = ("127.0.0.1", 5070)
PHONE = ("127.0.0.1", 5090)
HEAD = """
log_level=3
socket=udp:127.0.0.1:5060
socket=tcp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "proto_tcp.so"
loadmodule "sl.so"
loadmodule "tm.so"
"""
T1, T2 = 0.5, 4.0
FR, FR_INV, WAIT = 30.0, 120.0, 5.0
"""The defaults: Timers B, F and H are fr_timeout, C is fr_inv_timeout, D, I, J, K, L and M are wt_timer."""


class Proxy(Harness):
    """near and far: protocol of the caller's side and of the phone's. main: the request route."""

    def __init__(
        self, method: str = "INVITE", near: str = "udp", far: str = "udp", main: str = "t_relay();", more: str = "",
        params: str = "",
    ) -> None:
        ack = 'if (is_method("ACK|CANCEL")) { t_check_trans(); t_relay(); exit; }'
        super().__init__(f'{HEAD}loadmodule "sipmsgops.so"\n{params}\nroute {{ {ack} {main} }}\n{more}')
        self.method = method
        self.near = near
        self.far = far
        self.uri = "sip:bob@127.0.0.1:5090" + (";transport=tcp" if far == "tcp" else "")
        self.requests: list[Sent] = []
        """What the phone got, in order."""
        self.answers: list[Sent] = []
        """What the caller got."""

    def words(self, sent: list[Sent]) -> list[str]:
        """Short words for what was sent; kept by side."""
        said = []
        for one in sent:
            if one.first_line.startswith("SIP/2.0 "):
                self.answers.append(one)
                said.append(f"<{one.first_line[8:11]}")
            else:
                self.requests.append(one)
                said.append(f">{one.first_line.partition(' ')[0]}")
        return said

    def ask(self, method: str = "", to_tag: str = "") -> list[str]:
        """The caller sends the request (again), its ACK or its CANCEL."""
        via = f"SIP/2.0/{self.near.upper()} 127.0.0.1:5070;branch=z9hG4bK-state"
        text = make_request(method or self.method, self.uri, via=via, to_tag=to_tag)
        return self.words(self.send(text, CALLER, proto=self.near))

    def answer(self, code: int, to_tag: str = "b1", request: int = 0) -> list[str]:
        """The phone answers a request it got, the first one."""
        text = make_reply(self.requests[request].text, code, to_tag=to_tag)
        return self.words(self.send(text, PHONE, proto=self.far))

    def ack(self) -> list[str]:
        """The caller acknowledges the last answer."""
        return self.ask("ACK", (self.answers[-1].header("To") or "").partition("tag=")[2])

    def wait(self, seconds: float) -> list[str]:
        """Time passes."""
        return self.words(self.advance(seconds))

    def moments(self, seconds: float) -> list[tuple[float, str]]:
        """Time passes, tenth by tenth: what is sent, and when."""
        start = self.server.timers.now()
        found = []
        for _ in range(round(seconds * 10)):
            found += [(round(self.server.timers.now() - start, 1), word) for word in self.wait(0.1)]
        return found

    def play(self, *steps: int | float | str) -> list[str]:
        """Numbers below 100 let time pass, others are answers of the phone; words: request, ack, cancel. What the last gave."""
        said: list[str] = []
        for step in steps:
            if isinstance(step, str):
                said = self.ack() if step == "ack" else self.ask("CANCEL") if step == "cancel" else self.ask()
            else:
                said = self.wait(step) if step < 100 else self.answer(int(step))
        return said

    @property
    def alive(self) -> int:
        """Transactions that are remembered."""
        return sum(1 for _ in self.server.async_hook.table)

    def cut_the_wire(self, proto: str) -> None:
        """Sending by this protocol fails from now on."""
        wire = self.server.sockets.transports[proto]

        def refuse(*_: object) -> None:
            raise TransportError("the wire is cut", -477)

        wire.put = refuse  # type: ignore[attr-defined]

    def hold_the_wire(self, proto: str) -> list[Any]:
        """A stream that connects and connects: what is to be told when it fails, one per message."""
        wire = self.server.sockets.transports[proto]
        waiting: list[Any] = []

        def keep(_data: bytes, ip: str, port: int, socket: Any, _connection_id: int, failed: Any, *_: Any) -> Any:
            waiting.append(failed)
            return WireConnection(wire, 77, ip, port, socket)  # type: ignore[arg-type]

        wire.send = keep  # type: ignore[attr-defined]
        return waiting
