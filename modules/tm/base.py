"""tm's parameters, statistics and timers, and what the other parts of the module share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.errors import ConfigError, TransportError
from engine.module import Module, modparam, stat
from engine.script.context import Context
from engine.script.values import Value
from engine.sip.message import Response
from engine.transaction.actions import CANCEL, FINISH, SEND, TIMEOUT
from engine.transaction.client import Client
from engine.transaction.server import WAITING
from modules.shared.replies import tag_prefix, to_tag
from modules.tm.api import DESTROYED
from modules.tm.cell import ClientBranch, Transaction
from modules.tm.table import Table

# Internal errors, with OpenSIPS' numbers: they show up in replies ("Send failed (477/TM)").
E_UNSPECIFIED: Final = -1
E_NO_DESTINATION: Final = -3
E_NO_SOCKET: Final = -7
E_TUPLE: Final = -9
E_BAD_REQUEST: Final = -400
E_BLOCKED: Final = -473
E_BAD_URI: Final = -475
E_BAD_ADDRESS: Final = -476
E_SEND: Final = -477

SCRIPT_CODES: Final[dict[int, int]] = {
    E_BAD_URI: -2, E_BAD_REQUEST: -2, E_NO_DESTINATION: -3, E_BAD_ADDRESS: -4, E_BLOCKED: -5, E_NO_SOCKET: -6, E_SEND: -6,
}
"""Internal error -> return code of t_relay(); anything else is -1."""

REASON_480: Final = 'Reason: SIP;cause=480;text="NO_ANSWER"\r\n'


class RunState:
    """What tm knows of one message: $T_fr_timeout and friends before the transaction exists, results of lookups."""

    __slots__ = ("fr_timeout", "fr_inv_timeout", "cancel_reason", "cancelled", "end_to_end", "suspended", "remote")

    def __init__(self) -> None:
        self.fr_timeout: int | None = None
        self.fr_inv_timeout: int | None = None
        self.cancel_reason = ""
        """t_add_cancel_reason()."""
        self.cancelled: Transaction | None = None
        """The INVITE that this CANCEL cancels."""
        self.end_to_end: Transaction | None = None
        """The INVITE whose 2xx this ACK acknowledges."""
        self.suspended: Callable[[], None] | None = None
        """A reply that waits in async(): what goes on with it."""
        self.remote: str | None = None
        """$T_id of a transaction that is not this message's own, for t_inject_branches() in event routes."""


def run_state(ctx: Context) -> RunState:
    """tm's settings of a message, made on first use."""
    state: RunState | None = ctx.tm
    if state is None:
        state = ctx.tm = RunState()
    return state


def no_cluster(value: int) -> int:
    """tm_replication_cluster: there is no clusterer module to share transactions through."""
    if value:
        raise ConfigError("tm_replication_cluster needs the clusterer module, which this server does not have")
    return value


class TmBase(Module):
    """Parameters, statistics, timers."""

    ruri_matching = modparam(int, 1, help="RFC 2543 matching compares Request-URIs")
    via1_matching = modparam(int, 1, help="RFC 2543 matching compares the top Via")
    fr_timeout = modparam(int, 30, min=2, help="seconds until the first reply, and for the ACK to a negative one")
    fr_inv_timeout = modparam(int, 120, min=2, help="seconds an INVITE may ring")
    wt_timer = modparam(int, 5, min=2, help="seconds a finished transaction absorbs retransmissions")
    delete_timer = modparam(int, 2, min=2, effect="memory is given back at once")
    t1_timer = modparam(int, 500, min=1, name="T1_timer", help="milliseconds to the first retransmission")
    t2_timer = modparam(int, 4000, min=1, name="T2_timer", help="milliseconds between retransmissions at most")
    unix_tx_timeout = modparam(int, 2, help="seconds a write to a socket or FIFO of t_write_*() may take")
    restart_fr_on_each_reply = modparam(int, 1, help="every provisional reply restarts fr_inv_timeout")
    tw_append = modparam(str, None, multi=True, help="NAME: extra fields for t_write_*()")
    enable_stats = modparam(int, 1, effect="counting costs nothing worth switching off")
    pass_provisional_replies = modparam(int, 0, help="requests made here report provisional replies as well")
    syn_branch = modparam(int, 1, help="0: branches that survive a restart")
    onreply_avp_mode = modparam(int, 0, help="AVPs of the transaction are visible in its onreply routes")
    disable_6xx_block = modparam(int, 0, help="a 6xx is a negative reply like others")
    minor_branch_flag = modparam(str, "", help="branch flag of branches nobody waits for")
    timer_partitions = modparam(int, 1, effect="one timer wheel serves all transactions")
    auto_100trying = modparam(int, 1, help="an INVITE is answered 100 at once")
    tm_replication_cluster = modparam(int, 0, parse=no_cluster, help="sharing transactions in a cluster: not here")
    cluster_param = modparam(str, "cid", effect="transactions are not shared in a cluster")
    cluster_auto_cancel = modparam(int, 1, effect="transactions are not shared in a cluster")
    local_reply_route = modparam(str, "", help="onreply_route run for every reply made here")
    local_request_route = modparam(str, "", help="route run for every request made here")

    received_replies = stat("received_replies")
    relayed_replies = stat("relayed_replies")
    local_replies = stat("local_replies")
    uas_transactions = stat("UAS_transactions")
    uac_transactions = stat("UAC_transactions")
    transactions_2xx = stat("2xx_transactions")
    transactions_3xx = stat("3xx_transactions")
    transactions_4xx = stat("4xx_transactions")
    transactions_5xx = stat("5xx_transactions")
    transactions_6xx = stat("6xx_transactions")
    inuse_transactions = stat("inuse_transactions", value="_inuse", no_reset=True)
    cluster_reply_sent = stat("cluster_reply_sent")
    cluster_request_sent = stat("cluster_request_sent")
    cluster_cancel_sent = stat("cluster_cancel_sent")
    cluster_reply_recv = stat("cluster_reply_recv")
    cluster_request_recv = stat("cluster_request_recv")
    cluster_cancel_recv = stat("cluster_cancel_recv")
    retransmission_req_1 = stat("retransmission_req_T1_1")
    retransmission_req_2 = stat("retransmission_req_T1_2")
    retransmission_req_3 = stat("retransmission_req_T1_3")
    retransmission_req_t2 = stat("retransmission_req_T2")
    retransmission_rpl_t2 = stat("retransmission_rpl_T2")
    timeout_finalresponse = stat("timeout_finalresponse")
    timeout_finalresponse_inv = stat("timeout_finalresponse_inv")

    table: Table

    def mod_init(self) -> None:
        if self.t2_timer < self.t1_timer:
            raise ConfigError("T2_timer must be greater than T1_timer")
        self._t1 = self.t1_timer / 1000
        self._t2 = self.t2_timer / 1000
        self._minor = 0
        if self.minor_branch_flag:
            self._minor = self.server.registry.branch_flag_names.bit(self.minor_branch_flag)
        self._listeners: dict[str, list[Callable[..., None]]] = {}
        self.table = Table(self.server.timers.after, self._on_timer, self._on_error)
        self.table.ruri_matching = bool(self.ruri_matching)
        self.table.via_matching = bool(self.via1_matching)
        self.table.syn_branch = bool(self.syn_branch)
        self._tag_prefix = f"{tag_prefix()}-"
        if not self.server.settings.disable_dns_blacklist:
            self.server.blacklists.define("dns", ("expire",))

    def _inuse(self) -> int:
        return len(self.table)

    def _on_error(self, error: BaseException) -> None:
        self.server.log.exception(error, "unexpected error in a transaction")

    # ---- listeners ----

    def register(self, moment: str, call: Callable[..., None]) -> None:
        """Be told of a moment (modules.tm.api) of every transaction."""
        self._listeners.setdefault(moment, []).append(call)

    def _tell(self, moment: str, *args: Any) -> None:
        for call in self._listeners.get(moment, ()):
            try:
                call(*args)
            except Exception as error:
                self._on_error(error)

    def tag_for(self, transaction: Transaction) -> str:
        """To tag of replies made here."""
        return to_tag(self._tag_prefix, transaction.request)

    # ---- machines ----

    def _client(self, transaction: Transaction, branch: ClientBranch) -> Client:
        """The machine of a request that is about to leave."""
        return Client(
            transaction.is_invite, branch.targets[0].proto != "udp", self._t1, self._t2, transaction.fr_timeout,
            transaction.fr_inv_timeout, bool(self.restart_fr_on_each_reply),
        )

    def _resend(self, branch: ClientBranch, data: bytes) -> None:
        """Send something again; that it cannot be sent is told by the final timeout."""
        try:
            self.server.sockets.send(data, branch.targets[0], branch.socket)
        except TransportError as error:
            self.log.error("sending to %s failed: %s", branch.target, error)

    def _upstream(self, transaction: Transaction) -> None:
        """Send the last reply (again)."""
        place = transaction.place
        if place is None or not transaction.reply_data:
            return
        try:
            self.server.sockets.send(
                transaction.reply_data, place.target, transaction.context.socket, place.connection_id,
            )
        except TransportError as error:
            self.log.error("sending a reply to %s failed: %s", place.target, error)

    def _on_timer(self, transaction: Transaction) -> None:
        """Some machine of the transaction may be due."""
        now = self.server.now()
        ended: list[tuple[ClientBranch, int]] = []
        for branch in transaction.branches:
            client = branch.cancel
            if client is not None and client.due <= now and client.on_timer(now) & SEND:
                self._resend(branch, branch.cancel_data)
                self._count_repeat(client)
            client = branch.client
            if client is not None and client.due <= now:
                actions = client.on_timer(now)
                if actions & SEND:
                    self._resend(branch, branch.data)
                    self._count_repeat(client)
                elif actions & TIMEOUT:
                    ended.append((branch, actions))
        if transaction.server.due <= now:
            actions = transaction.server.on_timer(now)
            if actions & SEND:
                self._upstream(transaction)
                self.retransmission_rpl_t2.count += 1
            elif actions & FINISH:
                self.forget(transaction)
                return
            else:
                self._count_ended(transaction)
        for branch, actions in ended:
            transaction.enter(self._timed_out, branch, actions)
        transaction.arm(now)

    def _timed_out(self, branch: ClientBranch, actions: int) -> None:
        """No final reply in time."""
        transaction = branch.transaction
        if transaction.table is None:
            return
        if not branch.placeholder:
            if actions & CANCEL and branch.cancel is None:
                self._send_cancel(branch, REASON_480)
            if actions & CANCEL:
                self.timeout_finalresponse_inv.count += 1
            else:
                self.timeout_finalresponse.count += 1
        self._branch_ended(branch, branch.timeout_code)

    def _count_repeat(self, client: Client) -> None:
        repeats = client.repeats
        if client.interval >= self._t2 and repeats > 3:
            self.retransmission_req_t2.count += 1
        elif repeats == 1:
            self.retransmission_req_1.count += 1
        elif repeats == 2:
            self.retransmission_req_2.count += 1
        else:
            self.retransmission_req_3.count += 1

    def _count_ended(self, transaction: Transaction) -> None:
        """N00_transactions: counted once, when nothing more is to be sent."""
        if transaction.counted or transaction.server.state < WAITING:
            return
        transaction.counted = True
        code = transaction.status // 100
        if code == 2:
            self.transactions_2xx.count += 1
        elif code == 4:
            self.transactions_4xx.count += 1
        elif code == 5:
            self.transactions_5xx.count += 1
        elif code == 3:
            self.transactions_3xx.count += 1
        elif code == 6:
            self.transactions_6xx.count += 1

    def forget(self, transaction: Transaction) -> None:
        """The transaction ends: out of the table, listeners told."""
        if transaction.table is None:
            return
        self.table.forget(transaction)
        if DESTROYED in self._listeners:
            self._tell(DESTROYED, transaction)
        # What pointed at each other now only points down: no garbage collector is needed to free it.
        transaction.context.transaction = None
        transaction.branches = []
        transaction.slots = {}

    async def destroy(self) -> None:
        """Forget everything; nothing is sent."""
        for transaction in list(self.table):
            self.table.forget(transaction)

    # ---- avps of a branch ----

    @staticmethod
    def bavps_of(branch: ClientBranch) -> dict[str, list[Value]]:
        """The values of $bavp, made on first use."""
        if branch.bavps is None:
            branch.bavps = {}
        return branch.bavps

    # ---- parts the classes below have ----

    _send_cancel: Callable[[ClientBranch, str], None]
    _branch_ended: Callable[[ClientBranch, int], None]
    _acknowledge: Callable[[ClientBranch, Response], None]
