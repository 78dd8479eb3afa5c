"""What other modules may use of tm: needs("tm") gives an object of this shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from engine.script.context import Branch, Context

# Moments of a transaction's life another module may be told of (register()).
CREATED = "created"
"""A server transaction was made: call(transaction, ctx)."""
RESPONSE_IN = "response_in"
"""A response matched a branch, before the onreply routes: call(transaction, ctx) with ctx.branch set."""
RESPONSE_FWD = "response_fwd"
"""A response (relayed or local) is about to go upstream: call(transaction, code, response | None). Of a relayed one (response
is not None) transaction.reply_edits() gives the Edits to change it with."""
RESPONSE_OUT = "response_out"
"""A response was sent upstream: call(transaction, code, response | None)."""
FAILED = "failed"
"""All branches have failed and one was picked, before failure_route: call(transaction, code, response | None)."""
LOCAL_COMPLETED = "local_completed"
"""A request of our own has its final answer: call(transaction, code, response | None)."""
REQUEST_BUILT = "request_built"
"""The request of a branch is about to be built: call(transaction, ctx)."""
DESTROYED = "destroyed"
"""The transaction is forgotten: call(transaction)."""
CANCELLED = "cancelled"
"""The caller's CANCEL for an INVITE came, before anything is done about it: call(transaction of the INVITE, ctx of the CANCEL)."""


class Transaction(Protocol):
    """One request and its branches, as other modules see it."""

    request: Any
    """engine.sip Request as received."""
    method: str
    is_invite: bool
    avps: dict[str, list[Any]]
    flags: int
    final_sent: bool
    """A final reply went (or is going) upstream."""
    cancelled: bool
    """The caller's CANCEL came."""
    suspended: bool
    """The request waits in async()."""
    waiting: bool
    """A placeholder keeps it open for branches to come."""
    ident: str
    """$T_id."""
    picked: Any
    """While failure_route runs: the branch whose negative reply wins (uri: the Request-URI it was sent with, reply: Response, or
    None when it was made here, last_code). Else None."""
    slots: dict[str, Any]
    """State of other modules, by module name."""


class Tm(Protocol):
    """The tm module."""

    def t_newtran(self, ctx: Context) -> int:
        """1 created (ctx.transaction is set; 100 sent for INVITE), 0 retransmission (absorbed), negative as documented."""

    def t_relay(self, ctx: Context, flags: int | None = None, proxy: str | None = None) -> int:
        """As the script function."""

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "") -> int:
        """Answer ctx's request statefully, making the transaction if there is none; 1, 0 (retransmission) or -1."""

    def reply_to(self, transaction: Transaction, code: int, reason: str, headers: str = "", body: str = "") -> int:
        """Answer a transaction from outside of any run: local reply, remaining branches are cancelled. 1, or -1 when a
        final one was sent already."""

    def wait_for_new_branches(
        self, ctx: Context, count: int | None, timeout: float | None = None, timeout_code: int | None = None,
    ) -> int:
        """Keep the transaction open for count more branches (None: any number): the placeholder branch, never sent.

        Makes the transaction when there is none. timeout in seconds replaces the INVITE timer for the placeholder; for a
        request that is not an INVITE the placeholder works alike. When it fires the placeholder answers timeout_code, by default
        408 for an INVITE and 480 for other requests.
        """

    def no_more_branches(self, transaction: Transaction) -> int:
        """End that wait: the placeholder answers as if its time were over, so the best answer so far goes back when nothing
        else is open."""

    def inject(self, transaction: Transaction, branches: list[Branch], cancel: bool = False, last: bool = False) -> int:
        """Add branches to a living transaction (branch route armed at creation runs for each). cancel: cancel the others
        first; last: wait for no more. 1, -1 no transaction, -2 a final answer went already, -3 none could be added."""

    def cancel_branches(self, transaction: Transaction, headers: str = "") -> bool:
        """CANCEL every branch of an INVITE that is open; the caller gets what the branches answer. headers: a Reason line. False
        when the transaction is no INVITE or over."""

    def find(self, ident: str) -> Transaction | None:
        """The living transaction with this $T_id."""

    def suspend(self, ctx: Context) -> int:
        """For async(): make the transaction if there is none, mark it suspended and keep it alive. 1; 0: the request is a
        retransmission, the script ends; negative: no transaction could be made."""

    def resumed(self, ctx: Context) -> bool:
        """The counterpart: the run goes on. False when the transaction ended meanwhile (cancelled and answered): the
        resume route must not run."""

    def after_resume(self, ctx: Context) -> None:
        """After the resume route: what the script left undone ends as after a request route."""

    def local_request(
        self, method: str, ruri: str, from_: str, to: str, *, headers: str = "", body: str = "", next_hop: str | None = None,
        socket: Any = None, call_id: str | None = None, cseq: int | None = None,
        done: Callable[[int, Any], None] | None = None, avps: dict[str, list[Any]] | None = None, routes: str = "",
        max_forwards: int = 70,
    ) -> Transaction | None:
        """Send a request of our own; local_route runs. done(code, response | None) with the final answer (408 local). from_ and
        to are header values, headers and routes whole lines, avps those its routes see."""

    def register(self, moment: str, call: Callable[..., None]) -> None:
        """Be told of a moment (constants above) of every transaction."""
