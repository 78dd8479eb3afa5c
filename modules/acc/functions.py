"""What scripts see of acc: functions and variables."""

from __future__ import annotations

from typing import Annotated, Any, Final

from engine.errors import ConfigError
from engine.module import ALL_ROUTES, BRANCH, FAILURE, LOCAL, REQUEST, Context, ScriptError, Value, function, print_of, pvar
from modules.acc import account as acc
from modules.acc import reports
from modules.acc.account import Facts, Hold, facts_of_comment
from modules.acc.base import types_of
from modules.acc.calls import SLOT, Calls

_ROUTES: Final = REQUEST | FAILURE | BRANCH | LOCAL


def _no_aaa(instance: Any, call: Any, args: Any) -> None:
    raise ConfigError("acc_aaa_request: accounting by RADIUS or Diameter is not available", hint="there is acc_db_request()")


class Acc(Calls):
    """The module."""

    # ---- fixups ----

    def types(self, text: str) -> int:
        """Fixup: "log|db" as a mask."""
        mask = types_of(text)
        if mask & acc.DB and self._driver is None:
            raise ConfigError('"db" accounting without a database', hint='set modparam("acc", "db_url", ...)')
        return mask

    def flags(self, text: str) -> int:
        """Fixup: "cdr|missed" as a mask."""
        mask = 0
        for word in text.split("|"):
            word = word.strip().lower()
            if word not in acc.FLAGS:
                raise ConfigError(f"invalid flag: <{word}>", hint="there are cdr, missed and failed, separated by |")
            if word == "cdr" and self.dialogs is None:
                self.log.error("the module dialog is not loaded, there are no CDRs")
            else:
                mask |= acc.FLAGS[word]
        return mask

    def extra_tag(self, name: str) -> str:
        """Fixup of $acc_extra(name)."""
        name = name.strip()
        if name not in self.extra_tags:
            raise ConfigError(f"$acc_extra({name}): no extra_fields has this tag")
        return name

    def leg_tag(self, name: str) -> str:
        """Fixup of $acc_leg(name)."""
        name = name.strip()
        if name not in self.leg_tags:
            raise ConfigError(f"$acc_leg({name}): no leg_fields has this tag")
        return name

    # ---- wishes ----

    @function(_ROUTES, type="types", flags="flags")
    def do_accounting(
        self, ctx: Context, type: Annotated[int, "str"], flags: Annotated[int, "str"] | None = None, table: str | None = None,
    ) -> int:
        """Report this request when it is answered: type is log, db, evi or several joined by |; flags cdr (one report for the
        whole call), missed, failed. table instead of db_table_acc. Several calls add up. 1, or -1 without a dialog for cdr."""
        msg: Any = ctx.msg
        if msg.method == "CANCEL" and not self.report_cancels:
            self.log.warning("do_accounting() on a CANCEL needs report_cancels, nothing will be reported")
            return 1
        mask = type + type * (flags or 0)
        if mask & acc.ALL * acc.CDR:
            mask |= acc.CDR_STARTED
        hold = self.found_or_made(ctx)
        account = hold.account
        again = account.flags != 0
        if mask & acc.DB and (table or not account.table or not again):
            account.table = table or self.db_table_acc
        if mask & acc.CDR_STARTED and not account.flags & acc.CDR_STARTED and not msg.to_tag and not self.start_cdr(ctx, hold):
            return -1
        account.flags |= mask
        if not again:
            hold.armed = account
            if self.detect_direction and self.rr is not None:
                hold.upstream = not self.rr.downstream(ctx)
        return 1

    @function(_ROUTES, type="types", flags="flags")
    def drop_accounting(
        self, ctx: Context, type: Annotated[int, "str"] | None = None, flags: Annotated[int, "str"] | None = None,
    ) -> int:
        """Take back what do_accounting() asked for: everything, some backends, or some flags of them; a backend without flags
        left is dropped with the last of them, as in OpenSIPS. 1; -1 when there is nothing to take back."""
        hold = self.find(ctx)
        if hold is None:
            self.log.error("drop_accounting() without do_accounting()")
            return -1
        every = acc.CDR | acc.MISSED | acc.FAILED
        mask = hold.account.flags & ~((type if type is not None else acc.ALL) * (flags if flags is not None else every | 1))
        for backend in acc.BACKENDS.values():
            if not mask & backend * every:
                mask &= ~backend
        hold.account.flags = mask
        return 1

    @function(_ROUTES)
    def acc_new_leg(self, ctx: Context) -> int:
        """Begin a new leg: $acc_leg() without index is about it from now on. 1."""
        account = self.found_or_made(ctx).account
        if account.legs is not None:
            account.legs.append({})
        return 1

    # ---- reports at once ----

    def _facts_of(self, ctx: Context, comment: str) -> tuple[Facts, Hold | None]:
        hold = self.find(ctx)
        upstream = hold.upstream if hold is not None else False
        return facts_of_comment(ctx.msg, comment, upstream, self.server.wall()), hold  # type: ignore[arg-type]

    @function(_ROUTES)
    def acc_log_request(self, ctx: Context, comment: str) -> int:
        """Report the request in the log now; comment is "404 Not Found", or a text without a code. 1."""
        facts, hold = self._facts_of(ctx, comment)
        self.to_log(reports.REQUEST, facts, hold.account if hold is not None else None)
        return 1

    @function(_ROUTES)
    def acc_db_request(self, ctx: Context, comment: str, table: str) -> int:
        """Write the request into a table now; comment as for acc_log_request(). 1; -1 no database, or it refuses."""
        if self._driver is None:
            self.log.error("acc_db_request() without a database: set db_url")
            return -1
        facts, hold = self._facts_of(ctx, comment)
        found = self.rows_of(facts, hold.account if hold is not None else None, table == self.db_table_missed_calls)
        return 1 if all(ctx.wait(self._database.ask(table, found))) else -1

    @function(_ROUTES, check=_no_aaa)
    def acc_aaa_request(self, ctx: Context, comment: str) -> int:
        """Accounting by RADIUS or Diameter is not available: a script with this function does not start."""
        return -1

    @function(_ROUTES)
    def acc_evi_request(self, ctx: Context, comment: str) -> int:
        """Raise E_ACC_EVENT for the request now, or E_ACC_MISSED_EVENT for a code of 300 and above. 1."""
        facts, hold = self._facts_of(ctx, comment)
        self.to_events(facts, hold.account if hold is not None else None, int(facts.code or 0) >= 300)
        return 1

    # ---- the account of another dialog ----

    @function(ALL_ROUTES)
    def acc_load_ctx_from_dlg(self, ctx: Context) -> int:
        """After load_dialog_ctx(): the variables are about that dialog's account. 1; -1 no dialog, it has none, or one is
        loaded already."""
        hold: Hold | None = ctx.slots.get(SLOT) if ctx.slots is not None else None
        dialog = self.dialogs.get(ctx) if self.dialogs is not None else None
        account = self.account_of(dialog) if dialog is not None else None
        if account is None or (hold is not None and hold.loaded):
            return -1
        loaded = Hold(account)
        loaded.loaded = True
        loaded.outer = hold
        self._put(ctx, loaded)
        return 1

    @function(ALL_ROUTES)
    def acc_unload_ctx_from_dlg(self, ctx: Context) -> int:
        """Undo acc_load_ctx_from_dlg(). 1; -1 when nothing is loaded."""
        hold: Hold | None = ctx.slots.get(SLOT) if ctx.slots is not None else None
        if hold is None or not hold.loaded:
            return -1
        assert ctx.slots is not None
        if hold.outer is not None:
            ctx.slots[SLOT] = hold.outer
        else:
            del ctx.slots[SLOT]
        return 1

    # ---- variables ----

    @pvar("acc_extra", parse_name="extra_tag")
    def extra(self, ctx: Context, name: str) -> Value:
        """A value of the report, by its tag in extra_fields."""
        return self.found_or_made(ctx).account.extra.get(name)

    @extra.setter
    def set_extra(self, ctx: Context, name: str, value: Value) -> None:
        self.found_or_made(ctx).account.extra[name] = _kept(value)

    def _leg(self, ctx: Context, index: Any) -> dict[str, str | None]:
        """A leg by index: None is the last, negative ones count from behind. ScriptError: there is no such leg."""
        legs = self.found_or_made(ctx).account.legs
        if legs is None:
            raise ScriptError("no legs defined")
        if index is None:
            return legs[-1]
        if not isinstance(index, int) or not -len(legs) <= index < len(legs):
            raise ScriptError(f"bad $acc_leg index: {index}")
        return legs[index]

    @pvar("acc_leg", parse_name="leg_tag")
    def leg(self, ctx: Context, name: str, index: Any) -> Value:
        """A value of a leg, by its tag in leg_fields; without index of the last leg."""
        try:
            return self._leg(ctx, index).get(name)
        except ScriptError as error:
            self.log.error("%s", error)
            return None

    @leg.setter
    def set_leg(self, ctx: Context, name: str, index: Any, value: Value) -> None:
        self._leg(ctx, index)[name] = _kept(value)

    @pvar("acc_current_leg")
    def current_leg(self, ctx: Context) -> Value:
        """Index of the last leg, from 0."""
        legs = self.found_or_made(ctx).account.legs
        if legs is None:
            self.log.error("no legs defined")
            return None
        return len(legs) - 1


def _kept(value: Value) -> str | None:
    """Texts are kept; an empty one is none."""
    return None if value is None or value == "" else print_of(value)
