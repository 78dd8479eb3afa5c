"""Context: everything that belongs to one run of the script.

A run is one pass through a route for one message (or a dummy message): the compiled script and the module functions get
the Context as their first argument. What must outlive the run hangs on the transaction. The branch of the Request-URI
lives directly on the context (ruri, dst_uri, q ...), further branches are Branch objects in ctx.branches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.script.values import Value
from engine.sip.edits import Edits

if TYPE_CHECKING:
    from engine.script.script import Script
    from engine.sip.message import Message

# Kinds of route, as bits: what a function may be called in (OpenSIPS: REQUEST_ROUTE, FAILURE_ROUTE ...).
REQUEST: Final = 1
FAILURE: Final = 2
ONREPLY: Final = 4
BRANCH: Final = 8
ERROR: Final = 16
LOCAL: Final = 32
STARTUP: Final = 64
TIMER: Final = 128
EVENT: Final = 256
ALL_ROUTES: Final = 511

NO_Q: Final = -1
"""q of a branch that has none; otherwise thousandths, 0 ... 1000."""


class Branch:
    """One more destination of a request, or a snapshot of the Request-URI's own: what lookup() and append_branch() make."""

    __slots__ = ("uri", "dst_uri", "q", "path", "send_socket", "flags", "attrs")

    def __init__(
        self, uri: str, dst_uri: str | None = None, q: int = NO_Q, path: str | None = None,
        send_socket: Any = None, flags: int = 0, attrs: dict[str, Value] | None = None,
    ) -> None:
        self.uri = uri
        self.dst_uri = dst_uri
        self.q = q
        self.path = path
        """Path vector as it stood in the REGISTER: becomes Route headers, its first hop the destination."""
        self.send_socket = send_socket
        """Forced sending socket (engine.transport.sockets.ListenSocket) or None."""
        self.flags = flags
        """Branch flags as a bit mask; names in script.branch_flag_names."""
        self.attrs = attrs


class Context:
    """One run. Written by the server (what came in), the script (what it decides) and tm (transaction, branch)."""

    __slots__ = (
        "server", "script", "kind", "msg",
        "socket", "proto", "src_ip", "src_port", "connection",
        "rc", "dropped", "params", "returned", "route_stack", "line",
        "ruri", "dst_uri", "q", "path", "send_socket", "branch_flags", "branch_attrs", "branches",
        "flags", "avps", "edits", "reply_headers", "reply_body", "force_rport", "via_handling",
        "advertised_address", "advertised_port",
        "transaction", "branch", "reply", "on_branch", "on_reply", "on_failure", "tm",
        "error", "record_route", "slots",
    )

    server: Any
    script: Script
    msg: Message
    edits: Edits | None
    socket: Any
    connection: Any
    send_socket: Any

    def __init__(self, server: Any, script: Any, kind: int, msg: Any) -> None:
        self.server = server
        """engine.server.core.Server."""
        self.script = script
        """The Script this run belongs to; survives a reload until the run ends."""
        self.kind = kind
        """Kind of the top route (REQUEST, FAILURE ...)."""
        self.msg = msg
        """The message as received; never changes, shared by all branches."""
        # ---- where it came from ----
        self.socket = None
        """ListenSocket it came in on."""
        self.proto = "udp"
        self.src_ip = ""
        self.src_port = 0
        self.connection = None
        """Stream connection it came over, or None."""
        # ---- state of the script ----
        self.rc = 0
        """$rc: code of the last statement."""
        self.dropped = False
        """The route ended by `drop`: a branch is not sent, a provisional reply is discarded."""
        self.params: Any = None
        """What $param() reads: a tuple of values of this route() call, or EventParams; None without any."""
        self.returned: tuple[Value, ...] = ()
        """What $return() reads."""
        self.route_stack: list[str] | None = None
        """Titles of the running routes, kept only when the script asks for $route."""
        self.line = 0
        """Line of the running statement, kept only where a message may need it."""
        # ---- destination: branch 0 ----
        self.ruri: str | None = None
        """Request-URI as changed so far; None on replies. `ctx.ruri is not ctx.msg.request_uri` = it was changed."""
        self.dst_uri: str | None = None
        self.q = NO_Q
        self.path: str | None = None
        self.send_socket = None
        self.branch_flags = 0
        self.branch_attrs: dict[str, Value] | None = None
        self.branches: list[Branch] | None = None
        """Further branches, in order of appending."""
        # ---- what the script gathers ----
        self.flags = 0
        """Message flags as a bit mask; names in script.flag_names."""
        self.avps: dict[str, list[Value]] = {}
        """Name -> values, the newest LAST ($avp(x) is [-1], $(avp(x)[i]) is [-1 - i]). The same dict object as the
        transaction's once there is one. A name without values is absent."""
        self.edits = None
        """Header and body edits recorded against the received text."""
        self.reply_headers: list[str] | None = None
        """append_to_reply() texts, each ending in CRLF."""
        self.reply_body: str | None = None
        """append_body_to_reply() text."""
        self.force_rport = False
        self.via_handling = 0
        """Bits of set_via_handling(): 1 add-local-rport, 2 reply-to-via, 4 force-tcp-alias."""
        self.advertised_address: str | None = None
        self.advertised_port: int | None = None
        # ---- tm and friends ----
        self.transaction: Any = None
        """modules.tm Transaction this message belongs to, or None."""
        self.branch: Any = None
        """tm's client branch: of the reply in onreply and failure routes, the one being built in branch routes."""
        self.reply: Any = None
        """In failure routes the winning Response (None when it was made here); elsewhere None."""
        self.on_branch = ""
        """Names armed by t_on_branch(), t_on_reply(), t_on_failure() before the transaction is made; "" none."""
        self.on_reply = ""
        self.on_failure = ""
        self.tm: Any = None
        """tm's own settings of this message ($T_fr_timeout ...), None until one is made."""
        self.error: Any = None
        """ScriptFault for $(err.*) while an error is pending, else None."""
        self.record_route: Any = None
        """rr's record: None until record_route(), then what the builder puts on top of each branch."""
        self.slots: dict[str, Any] | None = None
        """Per-run state of modules, by module name; for what has no field of its own."""

    def new_edits(self) -> Edits:
        """The Edits of this run, made on first use."""
        edits = self.edits
        if edits is None:
            edits = self.edits = Edits()
        return edits

    def wait(self, awaitable: Any) -> Any:
        """Result of an awaitable; other messages are served meanwhile (engine.workers)."""
        return self.server.workers.wait(awaitable)

    def main_branch(self) -> Branch:
        """The Request-URI's branch as a Branch (a copy)."""
        return Branch(
            self.ruri or "", self.dst_uri, self.q, self.path, self.send_socket, self.branch_flags,
            dict(self.branch_attrs) if self.branch_attrs else None,
        )
