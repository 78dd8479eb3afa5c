"""Accounts over the life of transactions and dialogs: what is reported when, and the CDR of a call.

A transaction's account is on its Hold (slots of the run, then of the transaction). An answered INVITE with CDR leaves its
account with the dialog; the BYE's final reply writes the CDR, so a script may still set values while the BYE passes. A call
that ends otherwise (timeout, MI) has its CDR written at once.
"""

from __future__ import annotations

from functools import partial

from engine.errors import SipParseError
from engine.module import Context
from engine.script.values import Value
from engine.sip.message import Response
from modules.acc import account as acc
from modules.acc import reports
from modules.acc.account import Account, Facts, Hold, facts_of_reply
from modules.acc.base import Base
from modules.dialog.api import ON_EXPIRED, ON_LOADED, ON_REQUEST_WITHIN, ON_SAVED, ON_TERMINATED, Dialog, DialogEvent
from modules.tm.api import CREATED, FAILED, LOCAL_COMPLETED, RESPONSE_IN, RESPONSE_OUT, Transaction

SLOT = "acc"
_CORE, _CREATED, _FLAGS, _TABLE = "accX_core", "accX_created", "accX_flags", "accX_table"
_EXTRA, _LEG = "accX_extra", "accX_leg"


class Calls(Base):
    """What happens between do_accounting() and the report."""

    def mod_init(self) -> None:
        super().mod_init()
        self._extra_order = list(dict.fromkeys([tag for _, fields in self.extra_fields for tag, _ in fields]))
        self._leg_order = list(dict.fromkeys([tag for _, fields in self.leg_fields for tag, _ in fields]))
        self.tm.register(CREATED, self._on_created)
        self.tm.register(RESPONSE_IN, self._on_response_in)
        self.tm.register(FAILED, self._on_failed)
        self.tm.register(RESPONSE_OUT, self._on_reply)
        self.tm.register(LOCAL_COMPLETED, self._on_reply)
        if self.dialogs is not None:
            self.dialogs.register(ON_SAVED, self._on_saved)
            self.dialogs.register(ON_LOADED, self._on_loaded)

    # ---- finding an account ----

    def find(self, ctx: Context) -> Hold | None:
        """The hold of a run: its own, that of its transaction, or one on the account of its dialog."""
        slots = ctx.slots
        hold: Hold | None = slots.get(SLOT) if slots is not None else None
        if hold is not None:
            return hold
        transaction = ctx.transaction
        if transaction is not None:
            hold = transaction.slots.get(SLOT)
        if hold is None and self.dialogs is not None:
            dialog = self.dialogs.get(ctx)
            account = dialog.slots.get(SLOT) if dialog is not None and dialog.slots is not None else None
            if account is not None:
                return self.keep(ctx, Hold(account))
        if hold is not None:
            self._put(ctx, hold)
        return hold

    def found_or_made(self, ctx: Context) -> Hold:
        """The hold of a run, made when there is none."""
        return self.find(ctx) or self.keep(ctx, Hold(Account(bool(self.leg_tags))))

    def keep(self, ctx: Context, hold: Hold) -> Hold:
        """Make a hold that of a run and of its transaction."""
        self._put(ctx, hold)
        if ctx.transaction is not None:
            ctx.transaction.slots[SLOT] = hold
        return hold

    @staticmethod
    def _put(ctx: Context, hold: Hold) -> None:
        if ctx.slots is None:
            ctx.slots = {}
        ctx.slots[SLOT] = hold

    # ---- what tm tells ----

    def _on_created(self, transaction: Transaction, ctx: Context) -> None:
        slots = ctx.slots
        hold: Hold | None = slots.get(SLOT) if slots is not None else None
        if hold is not None and hold.loaded:
            hold = hold.outer
        if hold is not None:
            transaction.slots[SLOT] = hold

    def _on_response_in(self, transaction: Transaction, ctx: Context) -> None:
        """Values that the global onreply_route has set belong to the transaction."""
        slots = ctx.slots
        mine: Hold | None = slots.get(SLOT) if slots is not None else None
        hold: Hold | None = transaction.slots.get(SLOT)
        if mine is not None and hold is not None and hold.armed is not None and mine is not hold:
            hold.armed.merge(mine.account)
            self._put(ctx, hold if hold.account is hold.armed else Hold(hold.armed))

    def _on_failed(self, transaction: Transaction, code: int, response: Response | None) -> None:
        hold: Hold | None = transaction.slots.get(SLOT)
        account = hold.armed if hold is not None else None
        if hold is not None and account is not None and account.flags & acc.ALL * acc.MISSED:
            self.report_missed(self._facts(transaction, hold, code, response), account)

    def _on_reply(self, transaction: Transaction, code: int, response: Response | None) -> None:
        hold: Hold | None = transaction.slots.get(SLOT)
        if hold is None:
            return
        if hold.armed is not None:
            self._account(transaction, hold, hold.armed, code, response)
        if code >= 200 and hold.bye is not None:
            ended, hold.bye = hold.bye, None
            self.report_call(ended)

    def _facts(self, transaction: Transaction, hold: Hold, code: int, response: Response | None) -> Facts:
        return facts_of_reply(transaction.request, code, response, hold.upstream, self.server.wall())

    def _account(self, transaction: Transaction, hold: Hold, account: Account, code: int, response: Response | None) -> None:
        """A reply to a request that is to be accounted."""
        flags = account.flags
        facts: Facts | None = None
        if code >= 300:
            if transaction.is_invite and flags & acc.ALL * acc.MISSED:
                facts = self._facts(transaction, hold, code, response)
                self.report_missed(facts, account)
            if not flags & acc.ALL * acc.FAILED:
                return
        elif code < 200 and not (self.early_media and response is not None and response.body):
            return
        if not flags & acc.ALL:
            return
        facts = facts or self._facts(transaction, hold, code, response)
        if 200 <= code < 300 and hold.dialog is not None and flags & acc.ALL * acc.CDR:
            if account.answered is None:
                account.answered = facts
                self._follow(hold.dialog)
        else:
            self.report(flags & acc.ALL, reports.ANSWERED, account.table or self.db_table_acc, facts, account, False)

    # ---- dialogs ----

    def start_cdr(self, ctx: Context, hold: Hold) -> bool:
        """A CDR is wanted: note the time; an INVITE gets a dialog. False: it cannot have one."""
        hold.account.created = int(self.server.wall())
        if ctx.msg.method != "INVITE":  # type: ignore[attr-defined]
            return True
        if self.dialogs is None:
            return False
        dialog = self.dialogs.get(ctx)
        if dialog is None and self.dialogs.create_dialog(ctx) > 0:
            dialog = self.dialogs.get(ctx)
        if dialog is None:
            self.log.error("no dialog for the CDR of a call")
            return False
        self._give(dialog, hold.account)
        hold.dialog = dialog
        return True

    @staticmethod
    def _give(dialog: Dialog, account: Account) -> None:
        if dialog.slots is None:
            dialog.slots = {}
        dialog.slots[SLOT] = account

    @staticmethod
    def account_of(dialog: Dialog) -> Account | None:
        """The account of a dialog."""
        found: Account | None = dialog.slots.get(SLOT) if dialog.slots is not None else None
        return found

    def _follow(self, dialog: Dialog) -> None:
        assert self.dialogs is not None
        self.dialogs.watch(dialog, ON_REQUEST_WITHIN, self._on_request_within)
        self.dialogs.watch(dialog, ON_TERMINATED, self._on_ended)
        self.dialogs.watch(dialog, ON_EXPIRED, self._on_ended)

    def _on_request_within(self, event: DialogEvent) -> None:
        account = self.account_of(event.dialog)
        if account is not None and event.ctx is not None:
            self._join(event.ctx, account)

    def _join(self, ctx: Context, account: Account) -> Hold:
        """The run of a request inside a dialog goes on with the dialog's account; what it has set before goes there."""
        hold: Hold | None = ctx.slots.get(SLOT) if ctx.slots is not None else None
        if hold is None:
            return self.keep(ctx, Hold(account))
        if hold.account is not account:
            account.merge(hold.account)
            hold.account = account
        return hold

    def _on_ended(self, event: DialogEvent) -> None:
        account = self.account_of(event.dialog)
        if account is None or account.answered is None or account.flags & acc.CDR_DONE:
            return
        account.flags |= acc.CDR_DONE
        account.ended = self.server.wall()
        ctx = event.ctx
        if ctx is None:
            self.report_call(account)
            return
        hold = self._join(ctx, account)
        hold.bye = account
        self.server.defer(partial(self._report_without_transaction, ctx, hold))

    def _report_without_transaction(self, ctx: Context, hold: Hold) -> None:
        """After the run of a BYE: when it was not relayed statefully no reply of it will be seen."""
        if ctx.transaction is None and hold.bye is not None:
            ended, hold.bye = hold.bye, None
            self.report_call(ended)

    # ---- over a restart ----

    def _on_saved(self, event: DialogEvent) -> None:
        account = self.account_of(event.dialog)
        if account is None or account.answered is None or self.dialogs is None:
            return
        facts = account.answered
        seconds = int(facts.time)
        start = acc.pack_long(seconds, round((facts.time - seconds) * 1_000_000))
        values: dict[str, Value] = {
            _CORE: acc.pack([*facts.values, start]), _CREATED: acc.pack_long(account.created),
            _FLAGS: acc.pack_long(account.flags),
        }
        if self._extra_order:
            values[_EXTRA] = acc.pack_numbers(len(self._extra_order)) + acc.pack(
                [account.extra.get(tag) for tag in self._extra_order])
        if account.legs is not None:
            values[_LEG] = acc.pack_numbers(len(self._leg_order), len(account.legs)) + acc.pack(
                [leg.get(tag) for leg in account.legs for tag in self._leg_order])
        if account.table:
            values[_TABLE] = account.table
        for name, value in values.items():
            self.dialogs.store(event.dialog, name, value)

    def _on_loaded(self, event: DialogEvent) -> None:
        dialogs = self.dialogs
        assert dialogs is not None
        values = {name: dialogs.fetch(event.dialog, name) for name in (_CORE, _CREATED, _FLAGS, _TABLE, _EXTRA, _LEG)}
        texts = {name: value for name, value in values.items() if isinstance(value, str)}
        if not {_CORE, _CREATED, _FLAGS} <= texts.keys():
            return
        try:
            account = self._restored(texts)
        except (ValueError, IndexError, SipParseError) as error:
            self.log.error("the accounting of dialog %s cannot be restored: %s", event.dialog.did, error)
            return
        self._give(event.dialog, account)
        self._follow(event.dialog)

    def _restored(self, texts: dict[str, str]) -> Account:
        """An account from what was stored with its dialog. Raises ValueError, IndexError."""
        account = Account(bool(self.leg_tags))
        account.flags, = acc.unpack_long(texts[_FLAGS])
        account.flags &= ~(acc.AAA * 15)
        account.created, = acc.unpack_long(texts[_CREATED])
        *values, start = acc.unpack(texts[_CORE], 7)
        seconds, microseconds = acc.unpack_long(start)
        account.answered = Facts(values[0], values[1], values[2], values[3], values[4], values[5], seconds + microseconds / 1e6)
        account.table = texts.get(_TABLE, "")
        extra = texts.get(_EXTRA, "")
        if extra:
            if acc.number(extra) != len(self._extra_order):
                self.log.warning("extra fields have changed since the last run, the values of running calls are lost")
            else:
                found = acc.unpack(extra[2:], len(self._extra_order))
                account.extra = {tag: value for tag, value in zip(self._extra_order, found) if value}
        legs = texts.get(_LEG, "")
        if legs:
            width, count = acc.number(legs), acc.number(legs, 2)
            if width != len(self._leg_order):
                self.log.warning("leg fields have changed since the last run, the values of running calls are lost")
            else:
                found = acc.unpack(legs[4:], width * count)
                account.legs = [
                    {tag: value for tag, value in zip(self._leg_order, found[at * width:]) if value} for at in range(count)]
        return account

