"""The table of living transactions: by request key, by branch, by call, by identifier.

All four are dictionaries, so matching costs the same with ten transactions and with a hundred thousand. forget() takes a
transaction out of all of them and cuts its references, so that its memory goes at once.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Callable, Iterator
from typing import Any, Final

from engine.sip.message import Request, Response
from engine.transaction.key import Key, call_key, digest_label, has_cookie, hash_index, request_key, same_invite
from modules.tm.cell import LOCAL_REPLY, ClientBranch, Transaction

SLOTS: Final = 65536
"""Entries that t_hash reports."""


class Table:
    """Transactions of one server. after(seconds, call) starts a timer; on_timer and on_error are tm's."""

    def __init__(
        self, after: Callable[[float, Callable[[], object]], Any], on_timer: Callable[[Transaction], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.after = after
        self.on_timer = on_timer
        self.on_error = on_error
        self.ruri_matching = True
        self.via_matching = True
        self.syn_branch = True
        self._requests: dict[Key, Transaction] = {}
        self._calls: dict[tuple[str | None, str | None], list[Transaction]] = {}
        self._idents: dict[tuple[int, int | str], Transaction] = {}
        self.branches: dict[str, ClientBranch] = {}
        """Our branch parameter -> the branch."""
        self._label = secrets.randbits(31)
        # Odd: every label is used once before one comes again, in an order nobody can guess.
        self._step = secrets.randbits(31) | 1
        self.totals = array("Q", [0]) * SLOTS
        """Transactions ever made, per hash index."""

    def __len__(self) -> int:
        return len(self._idents)

    def __iter__(self) -> Iterator[Transaction]:
        return iter(self._idents.values())

    # ---- requests ----

    def key_of(self, msg: Request, method: str) -> Key:
        """The key a request of that method has; raises SipParseError."""
        return request_key(msg, method, self.ruri_matching, self.via_matching)

    def add(self, transaction: Transaction, key: Key | None) -> None:
        """Enter a transaction; key None: a request of our own."""
        label = self._label = (self._label + self._step) & 0x7FFFFFFF
        index = hash_index(transaction.call_id, transaction.cseq_number)
        transaction.hash_index = index
        transaction.label = label
        self.totals[index] += 1
        if key is not None:
            if not self.syn_branch:
                transaction.label = digest_label(transaction.request)
            transaction.key = key
            self._requests[key] = transaction
            if transaction.is_invite:
                call = transaction.call_key = (transaction.call_id, transaction.cseq_number)
                known = self._calls.get(call)
                if known is None:
                    self._calls[call] = [transaction]
                else:
                    known.append(transaction)
        self._idents[index, transaction.label] = transaction

    def find(self, key: Key) -> Transaction | None:
        """The transaction a copy of its request belongs to."""
        return self._requests.get(key)

    def find_invite(self, msg: Request) -> Transaction | None:
        """The INVITE transaction a CANCEL, or an ACK to a negative reply, belongs to (RFC 3261 9.2, 17.2.3)."""
        if has_cookie(msg.via.branch):
            return self._requests.get(self.key_of(msg, "INVITE"))
        for transaction in self._calls.get(call_key(msg), ()):
            if msg.method == "ACK" and transaction.status < 300:
                continue
            if same_invite(transaction.request, msg, self.ruri_matching, self.via_matching):
                return transaction
        return None

    def find_end_to_end(self, msg: Request) -> Transaction | None:
        """The INVITE that got the 2xx an ACK acknowledges: Call-ID, CSeq number and From tag; To tag as well when the 2xx was
        ours."""
        for transaction in self._calls.get(call_key(msg), ()):
            if not 200 <= transaction.status < 300 or transaction.request.from_tag != msg.from_tag:
                continue
            if transaction.relayed_branch != LOCAL_REPLY:
                return transaction
            if msg.to_tag == (transaction.to_tag or transaction.request.to_tag):
                return transaction
        return None

    def find_call(self, call_id: str, cseq_number: str, method: str = "INVITE") -> Transaction | None:
        """A transaction by Call-ID, CSeq number and method, requests of our own included."""
        for transaction in self._calls.get((call_id, cseq_number), ()):
            if transaction.method == method:
                return transaction
        for transaction in self:
            if transaction.call_id == call_id and transaction.cseq_number == cseq_number and transaction.method == method:
                return transaction
        return None

    def find_ident(self, index: int, label: int) -> Transaction | None:
        """By the two numbers of $T_id."""
        return self._idents.get((index, label))

    # ---- replies ----

    def find_branch(self, msg: Response) -> ClientBranch | None:
        """The branch a reply belongs to: our branch in its top Via, and a CSeq method that fits.

        Raises SipParseError. The reply to a CANCEL of ours belongs to the branch it cancels.
        """
        branch = self.branches.get(msg.via.branch or "")
        if branch is None:
            return None
        method = msg.cseq_method
        transaction = branch.transaction
        if method == transaction.method or (method == "CANCEL" and branch.cancel is not None):
            return branch
        return None

    # ---- the end ----

    def forget(self, transaction: Transaction) -> None:
        """Take a transaction out and cut what it holds."""
        if transaction.table is None:
            return
        transaction.table = None
        if transaction.timer is not None:
            transaction.timer.cancel()
            transaction.timer = None
        key = transaction.key
        if key is not None and self._requests.get(key) is transaction:
            del self._requests[key]
        call = transaction.call_key
        if call is not None:
            known = self._calls.get(call)
            if known is not None and transaction in known:
                if len(known) == 1:
                    del self._calls[call]
                else:
                    known.remove(transaction)
        ident = (transaction.hash_index, transaction.label)
        if self._idents.get(ident) is transaction:
            del self._idents[ident]
        for branch in transaction.branches:
            if branch.key:
                self.branches.pop(branch.key, None)
