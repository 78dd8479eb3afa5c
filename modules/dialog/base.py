"""The dialog module's parameters, statistics and events, and what its parts share: whose dialog a run is about, telling others,
the life of a dialog from its first second to its last.

    state         | 1xx | 2xx | >=300  | INVITE's transaction gone | ACK | BYE     | over: timeout, MI, ping
    1 unconfirmed | 2   | 3   | 5      | 5                         |     | noted   |
    2 early       | 2   | 3   | 5      | 5                         |     | noted   |
    3 answered    |     | 3   |        |                           | 4   | 5       | 5
    4 confirmed   |     | 4   |        |                           | 4   | 5       | 5
    5 deleted     |     | 3*  |        |                           |     |         |          * unless a BYE ended it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import ConfigError
from engine.module import Module, event, modparam, needs, stat, wants
from engine.script.context import REQUEST, Context
from engine.script.flags import FlagNames
from modules.dialog.api import (
    ANSWERED, CONFIRMED, DELETED, EARLY, ON_DELETED, ON_FAILED, DialogEvent,
)
from modules.dialog.cell import (
    CANCELLED, DELAY_OVER, DELAYED, END_ON_RACE, FROM_DB, HAS_BYE, NOT_DELAYED, READY, Dialog, Run, Watcher,
)
from modules.dialog.table import DialogTable, Seconds
from modules.rr.api import Rr
from modules.tm.api import Tm, Transaction

DID_ONLY, DID_FALLBACK, DID_NONE = 0, 1, 2
MATCH_MODES = {"DID_ONLY": DID_ONLY, "DID_FALLBACK": DID_FALLBACK, "DID_NONE": DID_NONE}
NO_CLUSTER = "there is no cluster"


def power_of_two(value: int) -> int:
    """hash_size."""
    if value < 1 or value & (value - 1):
        raise ValueError(f"{value} is not a power of 2")
    return value


def no_cluster(value: int) -> int:
    """dialog_replication_cluster and profile_replication_cluster."""
    if value:
        raise ConfigError("replicating dialogs needs the clusterer module, which this server does not have")
    return value


class DialogBase(Module):
    """Parameters, statistics, and the life of a dialog."""

    tm: Tm = needs("tm")
    rr: Rr | None = wants("rr")

    enable_stats = modparam(int, 1, effect="counting costs nothing worth switching off")
    hash_size = modparam(int, 4096, parse=power_of_two, help="entries of the hash over Call-IDs: part of the ids in a database")
    log_profile_hash_size = modparam(int, 4, min=1, effect="profiles are looked up by name")
    rr_param = modparam(str, "did", help="parameter of Record-Route with the id of the dialog")
    default_timeout = modparam(int, 43200, min=1, help="seconds a dialog may last when the script sets nothing else")
    dlg_extra_hdrs = modparam(str, "", help="header lines for the BYEs made here")
    dlg_match_mode = modparam(
        int, DID_FALLBACK, choices=(0, 1, 2), help="0 by id only, 1 else by Call-ID and tags, 2 by those only")
    delete_delay = modparam(int, 0, min=0, help="seconds an ended dialog still matches late requests")
    options_ping_interval = modparam(int, 30, min=1, help="seconds between two OPTIONS to a leg")
    reinvite_ping_interval = modparam(int, 300, min=1, help="seconds between two re-INVITEs to a leg")
    race_condition_timeout = modparam(int, 5, min=0, help="seconds until a call with a race (flag E) is ended")
    dialog_replication_cluster = modparam(int, 0, parse=no_cluster, help="replication in a cluster: not here")
    profile_replication_cluster = modparam(int, 0, parse=no_cluster, help="replication in a cluster: not here")
    replicate_profiles_buffer = modparam(int, 1400, effect=NO_CLUSTER, both=True)
    replicate_profiles_check = modparam(int, 10, effect=NO_CLUSTER, both=True)
    replicate_profiles_timer = modparam(int, 200, effect=NO_CLUSTER, both=True)
    replicate_profiles_expire = modparam(int, 10, effect=NO_CLUSTER, both=True)
    cluster_auto_sync = modparam(int, 1, effect=NO_CLUSTER, both=True)

    active_dialogs = stat("active_dialogs", no_reset=True)
    early_dialogs = stat("early_dialogs", no_reset=True)
    processed_dialogs = stat("processed_dialogs")
    expired_dialogs = stat("expired_dialogs")
    failed_dialogs = stat("failed_dialogs")
    create_sent = stat("create_sent")
    update_sent = stat("update_sent")
    delete_sent = stat("delete_sent")
    create_recv = stat("create_recv")
    update_recv = stat("update_recv")
    delete_recv = stat("delete_recv")

    E_DLG_STATE_CHANGED = event("id", "db_id", "callid", "from_tag", "to_tag", "old_state", "new_state")

    def mod_init(self) -> None:
        if not self.rr_param:
            raise ConfigError("dialog: rr_param is empty")
        self.table = DialogTable(self.hash_size)
        self.flag_names = FlagNames("dialog")
        self._moments: dict[str, list[Watcher]] = {}
        now = int(self.server.now())
        self._lifetimes = Seconds(now)
        self._delays = Seconds(now)
        self._options = Seconds(now)
        self._reinvites = Seconds(now)
        self._own: dict[int, Run] = {}
        """AVPs (by identity) of a request of our own that is being sent -> whose it is."""

    # ---- whose dialog ----

    @staticmethod
    def run_of(ctx: Context) -> Run:
        """What is known of the message of a run, made on first use."""
        slots = ctx.slots
        if slots is None:
            slots = ctx.slots = {}
        run: Run | None = slots.get("dialog")
        if run is None:
            run = slots["dialog"] = Run()
        return run

    @staticmethod
    def get(ctx: Context) -> Dialog | None:
        """The dialog of a run: loaded, created, matched, or that of its transaction."""
        slots = ctx.slots
        if slots is not None:
            run: Run | None = slots.get("dialog")
            if run is not None:
                if run.loaded is not None:
                    return run.loaded
                if run.dialog is not None:
                    return run.dialog
        transaction = ctx.transaction
        if transaction is not None:
            run = transaction.slots.get("dialog")
            if run is not None:
                return run.dialog
        return None

    @staticmethod
    def leg_of(ctx: Context) -> int:
        """Number of the leg the message of a run goes to; -1 unknown."""
        slots = ctx.slots
        run: Run | None = slots.get("dialog") if slots is not None else None
        return -1 if run is None or run.dialog is None else run.leg

    def find(self, ident: str) -> Dialog | None:
        """A living dialog by its did, else by Call-ID."""
        dialog = self.table.get(ident)
        if dialog is not None and dialog.state != DELETED:
            return dialog
        return self.find_call(ident)

    def find_call(self, call_id: str) -> Dialog | None:
        """The oldest living dialog of a Call-ID."""
        for dialog in self.table.of_call(call_id):
            if dialog.state != DELETED:
                return dialog
        return None

    # ---- telling ----

    def register(self, moment: str, call: Watcher) -> None:
        """Be told of a moment of every dialog."""
        self._moments.setdefault(moment, []).append(call)

    def watch(self, dialog: Dialog, moment: str, call: Watcher) -> None:
        """Be told of a moment of one dialog."""
        if dialog.watchers is None:
            dialog.watchers = {}
        dialog.watchers.setdefault(moment, []).append(call)

    def heard(self, dialog: Dialog, moment: str) -> bool:
        """Whether anybody wants to be told."""
        return moment in self._moments or (dialog.watchers is not None and moment in dialog.watchers)

    def tell(self, moment: str, dialog: Dialog, ctx: Context | None = None, **facts: Any) -> None:
        """Tell everybody who wants to know."""
        calls = self._moments.get(moment)
        own = dialog.watchers.get(moment) if dialog.watchers is not None else None
        if not calls and not own:
            return
        news = DialogEvent(moment, dialog, ctx, **facts)
        for call in [*(calls or ()), *(own or ())]:
            try:
                call(news)
            except Exception as error:
                self.server.log.exception(error, f"unexpected error at the moment {moment} of a dialog")

    # ---- states ----

    def change_state(self, dialog: Dialog, state: int) -> None:
        """Enter a state; subscribers hear of it."""
        old = dialog.state
        if old == state:
            return
        dialog.state = state
        if self.E_DLG_STATE_CHANGED.active:
            callee = dialog.callee
            self.E_DLG_STATE_CHANGED.emit(
                id=dialog.did, db_id=str(dialog.db_id), callid=dialog.call_id, from_tag=dialog.caller.tag,
                to_tag=callee.tag if callee is not None else "", old_state=old, new_state=state,
            )

    def bogus(self, what: str, dialog: Dialog) -> None:
        """Something that cannot happen in this state did."""
        self.log.warning("%s in state %d of dialog %s, Call-ID %s", what, dialog.state, dialog.did, dialog.call_id)

    def run_route(self, dialog: Dialog, name: str) -> None:
        """Run a route of the script about a dialog, on the dummy request."""
        route = self.server.script.routes.get(name)
        if route is None:
            self.log.error("route[%s] of a dialog is gone since the last reload", name)
            return
        ctx = self.server.dummy_context(REQUEST)
        ctx.slots = {"dialog": Run(dialog)}
        self.server.run(route, ctx)

    def failed(self, dialog: Dialog, transaction: Transaction | None, code: int, response: Any) -> None:
        """The call came to nothing."""
        was_early = dialog.state == EARLY
        self.change_state(dialog, DELETED)
        dialog.ended = self.server.wall()
        self.leave_profiles(dialog)
        self.tell(ON_FAILED, dialog, transaction=transaction, code=code, response=response, downstream=False)
        if was_early:
            self.early_dialogs.inc(-1)
        self.failed_dialogs.inc()

    def over(self, dialog: Dialog) -> bool:
        """An answered dialog ends, for whatever reason; False when it was not answered or has ended before."""
        if dialog.state not in (ANSWERED, CONFIRMED):
            return False
        dialog.flags |= HAS_BYE
        self.change_state(dialog, DELETED)
        dialog.ended = self.server.wall()
        return True

    def clear_up(self, dialog: Dialog) -> None:
        """After the end: out of profiles and timers."""
        self.leave_profiles(dialog)
        self.stop_lifetime(dialog)
        self.stop_pings(dialog)
        self.active_dialogs.inc(-1)

    def hold(self, dialog: Dialog) -> None:
        """One more that knows it."""
        dialog.refs += 1

    def release(self, dialog: Dialog) -> None:
        """One less; the last one gone, an ended dialog is forgotten."""
        dialog.refs -= 1
        if dialog.refs <= 0 and dialog.state == DELETED:
            self.retire(dialog)

    def retire(self, dialog: Dialog) -> None:
        """Forget an ended dialog nobody uses any more, now or after its delay."""
        delay = dialog.delete_delay or self.delete_delay
        if delay and dialog.delay == NOT_DELAYED:
            dialog.delay = DELAYED
            self._delays.put(dialog, int(self.server.now()) + delay)
        elif dialog.delay != DELAYED:
            self.forget(dialog)

    def delay_is_over(self, dialog: Dialog) -> None:
        """Late requests have had their time."""
        dialog.delay = DELAY_OVER
        if dialog.refs <= 0:
            self.forget(dialog)

    def forget(self, dialog: Dialog) -> None:
        """The last of it."""
        if dialog.forgotten:
            return
        dialog.forgotten = True
        self.table.remove(dialog)
        self.tell(ON_DELETED, dialog)
        dialog.watchers = None
        dialog.transaction = None

    @staticmethod
    def is_racing(dialog: Dialog) -> bool:
        """A cancelled call that flag E watches: the script no longer says how long it lasts."""
        return bool(dialog.flags & END_ON_RACE and dialog.flags & CANCELLED)

    def is_ready(self, dialog: Dialog) -> bool:
        """Its INVITE has a transaction, or it was loaded."""
        return bool(dialog.flags & (READY | FROM_DB))

    # ---- lifetime ----

    def start_lifetime(self, dialog: Dialog, seconds: int) -> None:
        """Count from now."""
        if dialog.expires > 0:
            self._lifetimes.take(dialog, dialog.expires)
        dialog.expires = self._lifetimes.put(dialog, int(self.server.now()) + seconds)

    def stop_lifetime(self, dialog: Dialog) -> None:
        """Count no more."""
        if dialog.expires > 0:
            self._lifetimes.take(dialog, dialog.expires)
            dialog.expires = 0

    def seconds_left(self, dialog: Dialog) -> int:
        """$DLG_timeout."""
        if dialog.state == DELETED:
            return 0
        if dialog.state < ANSWERED:
            return dialog.lifetime
        return dialog.expires - int(self.server.now()) if dialog.expires > 0 else 0

    def stop_pings(self, dialog: Dialog) -> None:
        """Ping it no more."""
        if dialog.options_at:
            self._options.take(dialog, dialog.options_at)
            dialog.options_at = 0
        if dialog.reinvite_at:
            self._reinvites.take(dialog, dialog.reinvite_at)
            dialog.reinvite_at = 0

    # ---- parts the classes below have ----

    leave_profiles: Callable[[Dialog], None]
    save: Callable[[Dialog], None]
    unsave: Callable[[Dialog], None]
