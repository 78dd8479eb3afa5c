"""What the dialog module keeps: a Dialog (one call), its Legs (the caller and each callee), and a Run (what one message, and
the transaction made of it, has to do with a dialog).

Legs are numbered: 0 is the caller, 1 and up are callees, one for each branch the INVITE was sent to and one for each further To
tag. Numbers of requests (CSeq) are texts as they came; `gen` counts the requests the server itself put into a direction:
from then on every request towards that leg gets a new number, and its reply the old one back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.script.values import Value
from engine.sip.grammar import MAX_NUMBER, capped_number
from modules.dialog.api import UNCONFIRMED, DialogEvent

# Flags of a dialog, with the numbers they have in the column `flags`.
HAS_BYE: Final = 1 << 2
BYE_ON_TIMEOUT: Final = 1 << 3
READY: Final = 1 << 4
"""Its transaction is there, or it came from the database."""
PING_CALLER: Final = 1 << 5
PING_CALLEE: Final = 1 << 6
FROM_DB: Final = 1 << 7
CSEQ_ENFORCE: Final = 1 << 10
REINVITE_CALLER: Final = 1 << 11
REINVITE_CALLEE: Final = 1 << 12
END_ON_RACE: Final = 1 << 15
CANCELLED: Final = 1 << 16
RACE: Final = 1 << 17
"""A race was noticed: the end of its lifetime is the end of the race."""

BY_CREATE: Final = PING_CALLER | PING_CALLEE | BYE_ON_TIMEOUT | REINVITE_CALLER | REINVITE_CALLEE
"""What a second create_dialog() sets anew."""
OPTIONS_PINGS: Final = PING_CALLER | PING_CALLEE
REINVITE_PINGS: Final = REINVITE_CALLER | REINVITE_CALLEE

# What a leg said to the last ping.
PING_FINE, PING_PENDING, PING_FAILED = 0, 1, 2

# Whether an ended dialog is still kept for late requests (delete_delay).
NOT_DELAYED, DELAYED, DELAY_OVER = 0, 1, 2

Watcher = Callable[[DialogEvent], None]


class Leg:
    """One side of a dialog."""

    __slots__ = (
        "tag", "contact", "route_set", "routes", "socket", "cseq", "previous_cseq", "invite_cseq", "gen", "from_uri", "to_uri",
        "in_sdp", "out_sdp", "new_in_sdp", "adv_contact", "numbers", "branch", "ping",
    )

    def __init__(self, branch: int = -1) -> None:
        self.branch = branch
        """Index of tm's branch, -1 for the caller and for further tags of a branch."""
        self.tag = ""
        self.contact = ""
        """URI of its Contact."""
        self.route_set = ""
        """Routes towards it, as a Route header's value."""
        self.routes: list[str] = []
        """Their URIs."""
        self.socket: Any = None
        """ListenSocket it is reached by."""
        self.cseq = "0"
        """Number of the last request sent to it."""
        self.previous_cseq = ""
        """The one before: what validate_dialog() compares with while that request is being handled."""
        self.invite_cseq = ""
        """Number of the last INVITE it sent: its ACK has the same."""
        self.gen = 0
        """Number of the last request towards it when the server counts itself, else 0."""
        self.from_uri = ""
        """From URI as this leg knows it, when it differs from the dialog's."""
        self.to_uri = ""
        self.in_sdp = ""
        """Last body it sent."""
        self.out_sdp = ""
        """Last body it was sent, when that differs from what the other leg sent."""
        self.new_in_sdp = ""
        """The body of its pending re-INVITE."""
        self.adv_contact = ""
        """Contact line for requests towards it, when a module hides the other side."""
        self.numbers: dict[str, int] | None = None
        """INVITEs it sent that got a new number: theirs -> ours, for their ACKs."""
        self.ping = PING_FINE

    @property
    def last_number(self) -> int:
        """Number of the last request sent to it, to count on from; 0 when that is none."""
        text = self.cseq
        return capped_number(text, MAX_NUMBER) if text.isascii() and text.isdigit() else 0


class Dialog:
    """One call; `api.Dialog` says what other modules may rely on."""

    __slots__ = (
        "entry", "ident", "did", "db_id", "call_id", "from_uri", "to_uri", "state", "legs", "answered", "flags", "user_flags",
        "mod_flags", "lifetime", "expires", "options_at", "reinvite_at", "delete_delay", "created", "started", "ended",
        "end_reason", "values",
        "links", "on_answer", "on_timeout", "on_hangup", "transaction", "branches_seen", "foreign_routes", "refs", "watchers",
        "slots", "ending", "stored", "changed", "delay", "forgotten",
    )

    def __init__(self, entry: int, ident: int, did: str, call_id: str, from_uri: str, to_uri: str) -> None:
        self.entry = entry
        """Entry of the hash table, from the Call-ID."""
        self.ident = ident
        """Number within the entry."""
        self.did = did
        self.db_id = (entry << 32) | ident
        self.call_id = call_id
        self.from_uri = from_uri
        self.to_uri = to_uri
        self.state = UNCONFIRMED
        self.legs: list[Leg] = []
        self.answered = 0
        """Number of the leg that answered, 0 none."""
        self.flags = 0
        self.user_flags = 0
        self.mod_flags = 0
        """Bits of other modules, kept in the database."""
        self.lifetime = 0
        """Seconds it may last, counted from the 2xx."""
        self.expires = 0
        """Second of the server's clock at which its lifetime is over, 0 while nothing counts."""
        self.options_at = 0
        """Second of the next OPTIONS ping, 0 none."""
        self.reinvite_at = 0
        self.delete_delay = 0
        """$DLG_del_delay, 0 the default."""
        self.created = 0.0
        self.started = 0.0
        self.ended = 0.0
        self.end_reason = ""
        self.values: dict[str, Value] | None = None
        """$dlg_val, the newest name last."""
        self.links: list[tuple[Any, str]] | None = None
        """(profile, value) it is counted in, the newest last."""
        self.on_answer = ""
        """Names of routes."""
        self.on_timeout = ""
        self.on_hangup = ""
        self.transaction: Any = None
        """The INVITE's, while it lives."""
        self.branches_seen = 0
        """How many of its branches have a leg."""
        self.foreign_routes = 0
        """Record-Routes that the INVITE brought along."""
        self.refs = 0
        """Transactions and runs that know it: it is forgotten when it is over and this is 0."""
        self.watchers: dict[str, list[Watcher]] | None = None
        self.slots: dict[str, Any] | None = None
        self.ending = False
        """BYEs of our own are on their way."""
        self.stored = False
        """It has a row in the database."""
        self.changed = False
        """Its row is not what it should be (delayed writing)."""
        self.delay = NOT_DELAYED
        self.forgotten = False

    @property
    def caller(self) -> Leg:
        """Leg 0."""
        return self.legs[0]

    @property
    def callee(self) -> Leg | None:
        """The leg that answered, before that the first one."""
        legs = self.legs
        if len(legs) < 2:
            return None
        return legs[self.answered or 1]

    @property
    def callee_index(self) -> int:
        """Its number."""
        return self.answered or 1

    def other(self, leg: int) -> int:
        """Number of the leg on the other side."""
        return 0 if leg else self.callee_index


class Run:
    """What a message has to do with a dialog; hangs on its run and on its transaction."""

    __slots__ = ("dialog", "leg", "loaded", "timeout", "holds", "number")

    def __init__(self, dialog: Dialog | None = None, leg: int = -1) -> None:
        self.dialog = dialog
        self.leg = leg
        """Number of the leg it goes to, -1 unknown."""
        self.loaded: Dialog | None = None
        """load_dialog_ctx(): covers the dialog of the message."""
        self.timeout = 0
        """$DLG_timeout set before there was a dialog."""
        self.holds = False
        """It counts in dialog.refs until the request route has ended."""
        self.number = ""
        """CSeq number the request came with, when it leaves with another one."""
