"""What tm keeps: a transaction (one request as it came in) and its branches (one per destination tried).

The state machines of RFC 3261 (engine.transaction) hang on them: a Server on the transaction, a Client on each branch and
one more on a branch that is being cancelled. One timer of the server's wheel serves all machines of a transaction; it is
moved only when something is due earlier than it would fire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.script.context import NO_Q, Context
from engine.transaction.actions import NEVER
from engine.transaction.client import Client
from engine.transaction.key import Key, from_reversed_hex, reversed_hex
from engine.transaction.server import Server

if TYPE_CHECKING:
    from engine.sip.edits import Edits
    from engine.sip.message import Request, Response
    from modules.shared.replies import Place
    from modules.tm.table import Table

LOCAL_REPLY = -2
"""relayed_branch: the last reply sent was made here."""

MAX_BRANCHES = 12
"""Branches in the life of one transaction."""


class ClientBranch:
    """One destination of a request: what was sent there and what came back."""

    __slots__ = (
        "transaction", "index", "uri", "dst_uri", "path", "q", "flags", "attrs", "bavps", "forced", "socket", "targets", "data",
        "key", "client", "cancel", "cancel_data", "to_cancel", "last_code", "reply", "reply_edits", "reason",
        "answered", "placeholder", "wait_until", "timeout_code", "on_reply", "dead",
    )

    def __init__(self, transaction: Transaction, index: int, uri: str) -> None:
        self.transaction = transaction
        self.index = index
        self.uri = uri
        """Request-URI it was sent with."""
        self.dst_uri: str | None = None
        self.path: str | None = None
        self.q = NO_Q
        self.flags = 0
        self.attrs: dict[str, Any] | None = None
        self.bavps: dict[str, list[Any]] | None = None
        """$bavp: name -> values, the newest last."""
        self.forced: Any = None
        """Sending socket the script wants, or None."""
        self.socket: Any = None
        """ListenSocket it was sent by."""
        self.targets: list[Any] = []
        """Where it goes: the first one is in use, the rest is for failover (RFC 3263 4.3)."""
        self.data = b""
        """The request as sent."""
        self.key = ""
        """Branch parameter of our Via."""
        self.client: Client | None = None
        """None for a placeholder and until the request leaves."""
        self.cancel: Client | None = None
        """Machine of the CANCEL that was sent."""
        self.cancel_data = b""
        self.to_cancel = False
        """A CANCEL is to be sent with the first provisional reply (RFC 3261 9.1)."""
        self.last_code = 0
        """Code of the last reply, received or made here; 0 none."""
        self.reply: Response | None = None
        """The negative reply, kept until the decision; None when it was made here."""
        self.reply_edits: Edits | None = None
        self.reason = ""
        """Reason phrase of a final reply made here, "" for the usual one."""
        self.answered = False
        """Some reply really came."""
        self.placeholder = False
        """Never sent: keeps the transaction open for branches to come."""
        self.wait_until = 0
        """Placeholder: number of branches, itself included, with which the wait is over; 0 any number."""
        self.timeout_code = 408
        self.on_reply = ""
        self.dead = False
        """It could not be built or sent: does not count."""

    @property
    def target(self) -> Any:
        """Where it was sent: Target, None for a placeholder."""
        return self.targets[0] if self.targets else None


class Transaction:
    """One request and its branches; `api.Transaction` says what other modules may rely on."""

    __slots__ = (
        "table", "context", "request", "method", "is_invite", "key", "call_key", "hash_index", "label", "server", "place",
        "branches", "first_branch", "picked", "relaying", "avps", "flags", "ruri", "edits", "record_route", "updated",
        "on_branch", "on_reply", "on_failure", "cancelled", "suspended", "is_local", "no_new_branches", "no_failover",
        "pass_reason", "multi_2xx", "relayed_branch", "reply_data", "to_tag", "fr_timeout", "fr_inv_timeout", "extra_headers",
        "busy", "queue", "timer", "slots", "to_tags", "done", "counted", "call_id", "cseq_number",
    )

    def __init__(self, table: Table, context: Context, method: str, server: Server, place: Place | None) -> None:
        self.table: Table | None = table
        """None: the transaction has ended."""
        self.context = context
        """The run that made it: source, sockets, advertised address; its edits may have grown since (see edits)."""
        self.request: Request = context.msg  # type: ignore[assignment]
        self.method = method
        self.is_invite = method == "INVITE"
        self.key: Key | None = None
        self.call_key: tuple[str | None, str | None] | None = None
        self.call_id = self.request.call_id
        self.cseq_number = self.request.cseq_number
        self.hash_index = 0
        self.label: int | str = 0
        """Second part of the branch: a number, a digest text with syn_branch=0."""
        self.server = server
        self.place = place
        self.branches: list[ClientBranch] = []
        self.first_branch = 0
        """Index of the first branch of the current set: only these count for the decision."""
        self.picked: ClientBranch | None = None
        """The branch whose negative reply wins, while failure_route runs."""
        self.relaying: ClientBranch | None = None
        """The branch whose reply is going upstream, while RESPONSE_FWD is told."""
        self.avps: dict[str, list[Any]] = context.avps
        self.flags = context.flags
        self.ruri = context.ruri
        self.edits: Edits | None = None
        """Header and body changes every further branch inherits."""
        self.record_route: Any = None
        self.updated = False
        """edits and record_route have their final state."""
        self.on_branch = context.on_branch
        self.on_reply = context.on_reply
        self.on_failure = context.on_failure
        self.cancelled = False
        self.suspended = False
        self.is_local = False
        """Replies end here: made by the server itself, or replicated."""
        self.no_new_branches = False
        self.no_failover = False
        self.pass_reason = False
        self.multi_2xx = False
        """allow-no-cancel: others go on after the first 2xx."""
        self.relayed_branch = -1
        """Index of the branch whose reply was sent last, LOCAL_REPLY, -1 none yet."""
        self.reply_data = b""
        """The last reply as sent."""
        self.to_tag: str | None = None
        """To tag of local replies, None until one was made."""
        self.fr_timeout = 0.0
        self.fr_inv_timeout = 0.0
        self.extra_headers = ""
        """t_add_hdrs(): for ACK and CANCEL made here."""
        self.busy = False
        """A reply or a timeout is being processed; another one waits in queue."""
        self.queue: list[tuple[Callable[..., None], tuple[Any, ...]]] | None = None
        self.timer: Any = None
        self.slots: dict[str, Any] = {}
        self.to_tags: set[str | None] | None = None
        """To tags of relayed 2xx, kept only when somebody listens for RESPONSE_OUT."""
        self.done: Callable[[int, Any], None] | None = None
        """Request of our own: who wants its final answer."""
        self.counted = False
        """It is in the N00_transactions statistics."""

    # ---- what it is ----

    @property
    def ident(self) -> str:
        """$T_id: label.hash in reversed hexadecimal digits."""
        label = self.label
        return f"{reversed_hex(label) if isinstance(label, int) else label}.{reversed_hex(self.hash_index)}"

    @property
    def final_sent(self) -> bool:
        """A final reply went upstream (or the request of our own has got one)."""
        return self.server.status >= 200

    @property
    def status(self) -> int:
        """Code of the last reply sent upstream, 0 none."""
        return self.server.status

    @property
    def active(self) -> list[ClientBranch]:
        """The branches of the current set."""
        return self.branches[self.first_branch:] if self.first_branch else self.branches

    def branch_key(self, index: int) -> str:
        """The branch parameter for the branch of that number."""
        label = self.label
        middle = f"{label:x}"[::-1] if isinstance(label, int) else label
        return f"z9hG4bK{f'{self.hash_index:x}'[::-1]}.{middle}.{f'{index:x}'[::-1]}"

    def placeholder(self) -> ClientBranch | None:
        """The placeholder of the current set that still waits, or None."""
        for branch in reversed(self.active):
            if branch.placeholder and branch.last_code < 200:
                return branch
        return None

    @property
    def waiting(self) -> bool:
        """A placeholder keeps it open for branches to come."""
        return self.placeholder() is not None

    def is_over(self, branch: ClientBranch) -> bool:
        """Whether a placeholder has seen all the branches it was to wait for."""
        return bool(branch.wait_until) and branch.wait_until <= len(self.branches)

    def reply_edits(self) -> Edits:
        """For listeners of RESPONSE_FWD: changes to the reply that is about to be relayed; made on first use."""
        from engine.sip.edits import Edits

        branch = self.relaying
        if branch is None:
            raise RuntimeError("no reply is being relayed")
        if branch.reply_edits is None:
            branch.reply_edits = Edits()
        return branch.reply_edits

    # ---- its timer ----

    def arm(self, now: float) -> None:
        """See to it that the wheel calls when the first of the machines is due."""
        table = self.table
        if table is None:
            return
        due = self.server.due
        for branch in self.branches:
            client = branch.client
            if client is not None and client.due < due:
                due = client.due
            client = branch.cancel
            if client is not None and client.due < due:
                due = client.due
        timer = self.timer
        if timer is not None:
            if timer.call is not None and timer.due <= due:
                # It fires early, finds nothing to do and is set anew: cheaper than moving it with every reply.
                return
            timer.cancel()
            self.timer = None
        if due != NEVER:
            self.timer = table.after(due - now, self.fire)

    def fire(self) -> None:
        """Called by the wheel."""
        self.timer = None
        if self.table is not None:
            self.table.on_timer(self)

    # ---- one thing at a time ----

    def enter(self, call: Callable[..., None], *args: Any) -> None:
        """Do call(*args) now, or after what is being done: a route that waits must not be overtaken by the next reply."""
        if self.busy:
            if self.queue is None:
                self.queue = []
            self.queue.append((call, args))
            return
        self.busy = True
        table = self.table
        try:
            call(*args)
        except Exception as error:
            if table is None:
                raise
            table.on_error(error)
        while self.queue:
            waiting, self.queue = self.queue, None
            for waiting_call, waiting_args in waiting:
                try:
                    waiting_call(*waiting_args)
                except Exception as error:
                    if table is None:
                        raise
                    table.on_error(error)
        self.busy = False


def parse_ident(text: str) -> tuple[int, int] | None:
    """(hash, label) of "$T_id" or of decimal "hash:label"; None for anything else."""
    if ":" in text:
        first, _, second = text.partition(":")
        return (int(first), int(second)) if first.isdigit() and second.isdigit() else None
    first, dot, second = text.partition(".")
    label, index = from_reversed_hex(first), from_reversed_hex(second)
    return (index, label) if dot and label is not None and index is not None else None
