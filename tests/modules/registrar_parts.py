"""A registrar on real parts, with the neighbours that need sockets replaced: tm and signaling only note what they were asked.

    server = RegistrarServer(pn_enable=1, pn_providers="apns")
    async with server:
        server.register("<sip:bob@192.0.2.1>")       # the reply as (status, headers)
        server.lookup("sip:bob@example.com")         # code, and the context with its branches
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from engine.module import Branch, Context, Module
from engine.script.context import REQUEST
from engine.script.script import Script
from engine.sip.message import Message, parse_message
from engine.transport.sockets import ListenSocket
from tests.modules.parts import PartServer


class Call:
    """What a transaction looks like from outside."""

    def __init__(self, ident: str, request: Message) -> None:
        self.ident = ident
        self.request = request
        self.cancelled = self.final_sent = self.waiting = False
        self.slots: dict[str, Any] = {}


class Replies(Module):
    """signaling: keeps the replies."""

    def mod_init(self) -> None:
        self.sent: list[tuple[int, str, str]] = []

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "") -> int:
        self.sent.append((code, reason, headers))
        return 1


class Calls(Module):
    """tm: keeps transactions by branch of the request, and the branches injected into them."""

    def mod_init(self) -> None:
        self.calls: dict[str, Call] = {}
        self.waits: list[tuple[str, int | None, float | None]] = []
        self.injected: list[tuple[str, list[Branch]]] = []
        self.ended: list[tuple[str, int]] = []

    def t_newtran(self, ctx: Context) -> int:
        branch = ctx.msg.via.branch or ""
        if branch in self.calls:
            return 0
        ctx.transaction = self.calls[branch] = Call(branch, ctx.msg)
        return 1

    def wait_for_new_branches(self, ctx: Context, count: int | None, timeout: float | None = None) -> int:
        self.waits.append((ctx.transaction.ident, count, timeout))
        ctx.transaction.waiting = True
        return 1

    def inject(self, transaction: Call, branches: list[Branch], cancel: bool = False, last: bool = False) -> int:
        if transaction.final_sent:
            return -2
        self.injected.append((transaction.ident, branches))
        return 1

    def find(self, ident: str) -> Call | None:
        return self.calls.get(ident)

    def no_more_branches(self, transaction: Call) -> int:
        self.ended.append((transaction.ident, 0))
        return 1

    def reply_to(self, transaction: Call, code: int, reason: str, headers: str = "", body: str = "") -> int:
        transaction.final_sent = True
        self.ended.append((transaction.ident, code))
        return 1


class RegistrarServer(PartServer):
    """Parameters of registrar by name; those of usrloc in `usrloc`. push=True loads event_routing as well."""

    def __init__(self, *, usrloc: dict[str, Any] | None = None, event_routing: bool = True, **params: Any) -> None:
        super().__init__()
        self.script = Script()
        self.usrloc: Any = self.load("usrloc", **usrloc or {})
        self.replies: Any = self._stand_in(Replies, "signaling")
        self.tm: Any = self._stand_in(Calls, "tm")
        if event_routing:
            self.event_routing: Any = self.load("event_routing")
        self.registrar: Any = self.load("registrar", **params)
        self.socket = ListenSocket(SimpleNamespace(proto="udp"), "192.0.2.100", 5060)  # type: ignore[arg-type]
        self.sockets.all.append(self.socket)
        self.cseq = 0

    def _stand_in(self, cls: type[Module], name: str) -> Any:
        instance = self.registry._instance(cls, name)
        self.registry.modules[name] = instance
        return instance

    def context(self, text: str, avps: dict[str, list[Any]] | None = None) -> Context:
        """A run for a message: lines with LF, the empty line is added."""
        msg = parse_message(text.strip("\n").replace("\n", "\r\n") + "\r\n\r\n")
        ctx = Context(self, self.script, REQUEST, msg)
        ctx.socket = self.socket
        ctx.ruri = getattr(msg, "request_uri", None)
        ctx.avps = avps if avps is not None else {}
        return ctx

    def request(self, method: str, uri: str, *lines: str, branch: str = "", avps: dict[str, list[Any]] | None = None) -> Context:
        """A run for a request of alice to bob."""
        self.cseq += 1
        return self.context("\n".join((
            f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch or self.cseq}",
            "From: <sip:alice@example.com>;tag=a", "To: <sip:bob@example.com>", "Call-ID: call-1",
            f"CSeq: {self.cseq} {method}", *lines,
        )), avps)

    def register(
        self, contact: str | None, *lines: str, flags: str | None = None, user: str = "bob", call_id: str = "reg-1",
        cseq: int | None = None, expires: int | None = 600, code: int | None = None, avps: dict[str, list[Any]] | None = None,
    ) -> tuple[int, str]:
        """save() a REGISTER; status and headers of the reply. code: what save() must return."""
        self.cseq += 1
        ctx = self.context("\n".join((
            "REGISTER sip:example.com SIP/2.0", f"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{self.cseq}",
            f"From: <sip:{user}@example.com>;tag=r", f"To: <sip:{user}@example.com>", f"Call-ID: {call_id}",
            f"CSeq: {self.cseq if cseq is None else cseq} REGISTER",
            *([f"Contact: {contact}"] if contact is not None else []),
            *([f"Expires: {expires}"] if expires is not None else []), *lines,
        )), avps)
        parsed = self.registrar.save_flags(flags) if flags is not None else None
        result = self.registrar.save(ctx, self.location, parsed)
        self.run_deferred()
        status, _, headers = self.replies.sent[-1]
        assert result == (code if code is not None else 1 if status == 200 else -2)
        return status, headers

    @property
    def location(self) -> Any:
        """The table."""
        return self.registrar.table("location")

    def stored(self, aor: str = "bob") -> list[str]:
        """Contact URIs of an AoR, in order."""
        record = self.location.get(aor)
        return [] if record is None else [contact.contact for contact in record.contacts]

    def lookup(
        self, uri: str = "sip:bob@example.com", flags: str | None = None, ctx: Context | None = None,
    ) -> tuple[int, Context]:
        """lookup() for an INVITE to the URI."""
        ctx = ctx or self.request("INVITE", uri)
        parsed = self.registrar.lookup_flags(flags) if flags is not None else None
        code = self.registrar.lookup(ctx, self.location, parsed)
        self.run_deferred()
        return code, ctx


def targets(ctx: Context) -> list[str]:
    """Request-URI and branches."""
    return [ctx.ruri or "", *[branch.uri for branch in ctx.branches or ()]]
