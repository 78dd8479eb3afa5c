"""What other modules may use of dialog: needs("dialog") or wants("dialog") gives an object of the shape `Dialogs`.

A `Dialog` is one call, made by create_dialog() in the request route of its INVITE. Moments of its life are told to whoever
asked: `register(moment, call)` for every dialog (CREATED, LOADED), `watch(dialog, moment, call)` for one. Each call gets one
`DialogEvent`. Calls are made synchronously, in the run of the message that caused them, or in a worker of their own
(timeouts, MI). Watchers are not written to the database: after a restart LOADED tells of each dialog that came back, and
its values (`store()`) are there to register again by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from engine.script.context import Context
from engine.script.values import Value

# ---- states of a dialog, as $DLG_status shows them

UNCONFIRMED: Final = 1
"""No reply yet."""
EARLY: Final = 2
"""A provisional reply with a To tag."""
ANSWERED: Final = 3
"""A 2xx, no ACK yet."""
CONFIRMED: Final = 4
"""The ACK came."""
DELETED: Final = 5
"""Over."""

# ---- moments

ON_CREATED: Final = "created"
"""A dialog was made (register() only): event.ctx is the run of its INVITE."""
ON_LOADED: Final = "loaded"
"""A dialog was read from the database (register() only)."""
ON_EARLY: Final = "early"
"""Its first provisional reply with a To tag goes upstream."""
ON_RESPONSE: Final = "response"
"""A reply to its INVITE goes upstream: event.transaction, event.code, event.response (None: made here)."""
ON_CONFIRMED: Final = "confirmed"
"""The 2xx goes upstream (the state is ANSWERED). Fields as ON_RESPONSE."""
ON_FAILED: Final = "failed"
"""The INVITE ended without 2xx: negative reply, cancelled, or its transaction vanished (then event.code is 0)."""
ON_REQUEST_WITHIN: Final = "request_within"
"""A request inside the dialog (ACK and BYE as well) was matched: event.ctx, event.downstream."""
ON_RESPONSE_WITHIN: Final = "response_within"
"""The reply to a request inside the dialog goes upstream: event.transaction, event.code, event.response; event.downstream is
the direction of the request."""
ON_TERMINATED: Final = "terminated"
"""Ended by BYE (event.ctx is the run of the BYE), by MI, pings or a race (event.ctx is None)."""
ON_EXPIRED: Final = "expired"
"""Ended because its lifetime is over."""
ON_MI_CONTEXT: Final = "mi_context"
"""dlg_list_ctx shows it: put what you have to show into the dict event.context."""
ON_SAVED: Final = "saved"
"""Its values are about to be written to the database: store() now what is to come back with ON_LOADED."""
ON_DELETED: Final = "deleted"
"""It is forgotten: the last word about it."""

CALLER: Final = "caller"
CALLEE: Final = "callee"


class DialogEvent:
    """What a watcher is told; only the fields named at the moment are set."""

    __slots__ = ("moment", "dialog", "ctx", "transaction", "code", "response", "downstream", "context")

    def __init__(
        self, moment: str, dialog: Dialog, ctx: Context | None = None, *, transaction: Any = None, code: int = 0,
        response: Any = None, downstream: bool = True, context: dict[str, Any] | None = None,
    ) -> None:
        self.moment = moment
        self.dialog = dialog
        self.ctx = ctx
        self.transaction = transaction
        """modules.tm.api.Transaction; a relayed reply is edited with transaction.reply_edits()."""
        self.code = code
        self.response = response
        self.downstream = downstream
        """True: from caller to callee."""
        self.context = context


class Leg(Protocol):
    """One side of a dialog: the caller, or one callee per To tag."""

    tag: str
    contact: str
    """URI of its Contact, "" when not known yet."""
    route_set: str
    """Routes towards it, as a Route header's value, "" for none."""
    socket: Any
    """ListenSocket it is reached by, or None."""
    adv_contact: str
    """Contact line (whole) for requests towards it from a module that hides the other side, "" for that side's Contact."""
    cseq: str
    """Number of the last request sent to it, as text, "0" before the first."""


class Dialog(Protocol):
    """One call."""

    did: str
    """$DLG_did, e.g. "6ae.4b38d013": the hash entry and the id within it, reversed hex."""
    db_id: int
    mod_flags: int
    """Bits other modules keep with it, also in the database."""
    call_id: str
    from_uri: str
    to_uri: str
    state: int
    created: float
    """Seconds since 1970."""
    started: float
    """Seconds since 1970 of the 2xx, 0.0 before."""
    ended: float
    """Seconds since 1970 of the end, 0.0 before."""
    end_reason: str
    """$DLG_end_reason, "" as long as there is none."""
    slots: dict[str, Any] | None
    """State of other modules by module name, not kept over a restart; None until one makes it."""

    @property
    def caller(self) -> Leg:
        """The leg of the caller."""

    @property
    def callee(self) -> Leg | None:
        """The callee that answered (before that the first one), None before there is any branch."""


class Dialogs(Protocol):
    """The dialog module."""

    def create_dialog(self, ctx: Context, flags: str | None = None) -> int:
        """As the script function: 1 also when there is one already, -1 when none can be made."""

    def match_dialog(self, ctx: Context, mode: str | None = None) -> int:
        """As the script function: 1 when the request in ctx belongs to a dialog (get(ctx) gives it), else -1."""

    def get(self, ctx: Context) -> Dialog | None:
        """The dialog of this run: loaded, created, matched, or the one of its transaction."""

    def direction(self, ctx: Context) -> str | None:
        """$DLG_dir of this run: "downstream", "upstream" or None."""

    def find(self, ident: str) -> Dialog | None:
        """A living dialog by its did or, when there is no such, its Call-ID."""

    def store(self, dialog: Dialog, name: str, value: Value) -> None:
        """$dlg_val(name) = value; NULL removes it."""

    def fetch(self, dialog: Dialog, name: str) -> Value:
        """$dlg_val(name), NULL when it has none."""

    def register(self, moment: str, call: Callable[[DialogEvent], None]) -> None:
        """Be told of a moment of every dialog; ask in mod_init. With nobody asking a moment costs nothing."""

    def watch(self, dialog: Dialog, moment: str, call: Callable[[DialogEvent], None]) -> None:
        """Be told of a moment of this dialog only."""

    def end(self, dialog: Dialog, reason: str, headers: str = "") -> bool:
        """Hang up: BYEs to both sides, or CANCEL when it is not answered yet. reason becomes $DLG_end_reason; headers are whole
        lines for the BYEs. False when it is over already."""

    def set_timeout(self, dialog: Dialog, seconds: int) -> None:
        """$DLG_timeout: its lifetime from now on."""

    def send_within(
        self, dialog: Dialog, leg: str, method: str, *, body: str = "", headers: str = "",
        done: Callable[[int, Any], None] | None = None,
    ) -> bool:
        """Send a request inside the dialog to CALLER or CALLEE; headers are whole lines (Content-Type among them).
        done(code, response | None) with the final answer. False when it could not be sent."""

    def next_cseq(self, dialog: Dialog, leg: str, step: int = 1) -> int:
        """Count up the CSeq of requests the server makes towards CALLER or CALLEE; the new number (0 when unknown)."""

    def number_again(self, ctx: Context) -> int:
        """A request inside a dialog is sent once more with an answer to its challenge: the CSeq number it gets. Its ACK gets the
        same, its replies the old one back. 0 when ctx is not the run of such a request."""

    def in_profile(self, dialog: Dialog, name: str, value: str | None = None) -> bool:
        """is_in_profile()."""

    def set_profile(self, dialog: Dialog, name: str, value: str | None = None) -> bool:
        """set_dlg_profile(); False for an unknown profile."""
