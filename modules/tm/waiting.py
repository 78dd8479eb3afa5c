"""Transactions that stay open: the placeholder branch, branches added later, and async()."""

from __future__ import annotations

from engine.errors import SipParseError
from engine.script.context import BRANCH, ONREPLY, REQUEST, Branch, Context
from engine.sip.headers import parse_nameaddr_list
from engine.transaction.client import Client
from modules.tm.cell import MAX_BRANCHES, ClientBranch, Transaction, parse_ident
from modules.tm.requests import Requests


class Waiting(Requests):
    """Placeholders, injection, suspension."""

    # ---- placeholder ----

    def wait_for_new_branches(
        self, ctx: Context, count: int | None, timeout: float | None = None, timeout_code: int | None = None,
    ) -> int:
        """Keep the transaction open for count more branches (None: any number): the placeholder branch, never sent.

        Makes the transaction when there is none. timeout: seconds the placeholder lives, by default the transaction's
        fr_inv_timeout. timeout_code: what it answers then, by default 408 for an INVITE and 480 for other requests, which is
        what RFC 8599 5.6.2 wants. 1; 0 when the request is a retransmission, negative when there can be no transaction.
        """
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            code = self.t_newtran(ctx)
            if code <= 0:
                return code
            transaction = ctx.transaction
        if transaction is None or transaction.final_sent or len(transaction.branches) >= MAX_BRANCHES:
            return -1
        if timeout_code is None:
            timeout_code = 408 if transaction.is_invite else 480
        self._add_placeholder(transaction, count, transaction.fr_inv_timeout if timeout is None else timeout, timeout_code)
        if ctx.kind == REQUEST and not transaction.updated:
            self._take_over(transaction, ctx)
            transaction.flags = ctx.flags
            # Branches to come also have what the script does after this: it is taken over again when it ends.
            transaction.updated = False
        return 1

    def _add_placeholder(self, transaction: Transaction, count: int | None, timeout: float, code: int) -> None:
        """Add the branch and start its timer."""
        index = len(transaction.branches)
        branch = ClientBranch(transaction, index, "")
        branch.placeholder = True
        branch.timeout_code = code
        branch.wait_until = 0 if count is None else index + count + 1
        branch.client = Client(False, True, 0.0, 0.0, timeout, timeout)
        now = self.server.now()
        branch.client.start(now)
        transaction.branches.append(branch)
        transaction.arm(now)

    def no_more_branches(self, transaction: Transaction) -> int:
        """End the wait: the placeholder gives its answer (408, 480), so the best answer so far goes back when nothing else is
        open. 1; -1 when nothing waits."""
        branch = transaction.placeholder()
        if branch is None or transaction.table is None:
            return -1
        placeholder = branch
        if placeholder.client is not None:
            placeholder.client.stop()
        transaction.enter(self._branch_ended, placeholder, placeholder.timeout_code)
        return 1

    def _wait_no_more(self, transaction: Transaction) -> int:
        """t_wait_no_more_branches(): the branches that are there are all. 1; -1 when nothing waits."""
        branch = transaction.placeholder()
        if branch is None:
            return -1
        branch.wait_until = len(transaction.branches)
        others = [other for other in transaction.active if not other.placeholder and not other.dead]
        if others and all(other.last_code >= 300 for other in others):
            last = others[-1]
            transaction.enter(self._decide_negative, transaction, last, last.last_code)
        return 1

    # ---- injection ----

    def inject(
        self, transaction: Transaction, branches: list[Branch], cancel: bool = False, last: bool = False,
    ) -> int:
        """Add branches to a living transaction; its branch_route runs for each. May wait for DNS.

        cancel: cancel the others; last: wait for no more. 1, -1 no transaction, -2 a final answer went already, -3 none could
        be added.
        """
        if transaction.table is None:
            return -1
        if transaction.final_sent:
            return -2
        if transaction.cancelled or transaction.no_new_branches:
            return -3
        opened = self._open_branches(transaction) if cancel else []
        if last:
            placeholder = transaction.placeholder()
            if placeholder is not None:
                placeholder.wait_until = len(transaction.branches) + len(branches)
        ctx = self._context_for(transaction, REQUEST)
        added = 0
        for wanted in branches:
            dst_uri = wanted.dst_uri
            if dst_uri is None and wanted.path:
                dst_uri = first_hop(wanted.path)
            made = self._add_branch(
                transaction, ctx, wanted.uri, dst_uri, wanted.path, wanted.q, wanted.send_socket, wanted.flags, wanted.attrs,
            )
            if isinstance(made, ClientBranch):
                if transaction.table is None or transaction.final_sent:
                    # While the next hop was looked up somebody else has answered.
                    self._drop(made, -1)
                    return -2
                if self._launch(transaction, ctx, made) > 0:
                    added += 1
        if opened:
            self._cancel(transaction, opened, 'Reason: SIP ;cause=200 ;text="Call completed elsewhere"\r\n')
        transaction.arm(self.server.now())
        return 1 if added else -3

    def find(self, ident: str) -> Transaction | None:
        """The living transaction with this $T_id (or decimal hash:label)."""
        numbers = parse_ident(ident)
        return self.table.find_ident(*numbers) if numbers is not None else None

    # ---- async ----

    def suspend(self, ctx: Context) -> int:
        """For async(): make the transaction if there is none, mark it suspended and keep it alive.

        1; 0: the request is a retransmission, the script ends; negative: this run has no transaction to wait with.
        """
        if ctx.kind == ONREPLY:
            return self._suspend_reply(ctx)
        if ctx.kind & (REQUEST | BRANCH) != REQUEST:
            return -1
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            if ctx.msg.method == "ACK":  # type: ignore[attr-defined]
                # An ACK is never answered, so nothing but this run has to be kept.
                return 1 if ctx.msg.has_identity else -9
            code = self.t_newtran(ctx)
            if code <= 0:
                return code
            transaction = ctx.transaction
        if transaction is None:
            return -1
        transaction.suspended = True
        return 1

    def resumed(self, ctx: Context) -> bool:
        """The run goes on. False when the transaction was cancelled and answered meanwhile: the resume route must not run."""
        if ctx.kind == ONREPLY:
            self._reply_resumed(ctx)
            return True
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            return True
        transaction.suspended = False
        return transaction.table is not None and not (transaction.cancelled and transaction.final_sent)

    def after_resume(self, ctx: Context) -> None:
        """After the resume route: what the script left undone ends as after a request route."""
        if ctx.kind == ONREPLY:
            self._resume_reply(ctx)
        else:
            self._after_request(ctx)


def first_hop(path: str) -> str | None:
    """URI of the first address in a Path vector: where the request goes."""
    try:
        return parse_nameaddr_list(path)[0].uri
    except SipParseError:
        return None
