"""$DLG_* and $dlg_val(name)."""

from __future__ import annotations

from typing import Final

from engine.errors import ScriptError
from engine.module import FAILURE, ONREPLY, Context, Value, pvar
from engine.script.values import number_of, text_of
from modules.dialog.api import ANSWERED
from modules.dialog.cell import Dialog
from modules.dialog.show import DialogShow

_NO_DIRECTION: Final = FAILURE | ONREPLY


def _seconds(value: Value, what: str) -> int:
    """A number of seconds that a script assigns."""
    number = number_of(value)
    if number is None:
        text = (text_of(value) or "").strip()
        if not text.removeprefix("-").isdigit():
            raise ScriptError(f"{what} wants a number, not {value!r}")
        number = int(text)
    if number < 0:
        raise ScriptError(f"{what} cannot be negative")
    return number


class DialogVariables(DialogShow):
    """What scripts read."""

    @pvar("DLG_count")
    def dlg_count(self, ctx: Context) -> Value:
        """Answered dialogs that live now."""
        return self.active_dialogs.count

    @pvar("DLG_status")
    def dlg_status(self, ctx: Context) -> Value:
        """State of the dialog, 1 to 5; NULL without one."""
        dialog = self.get(ctx)
        return dialog.state if dialog is not None else None

    @pvar("DLG_lifetime")
    def dlg_lifetime(self, ctx: Context) -> Value:
        """Seconds since the 2xx."""
        dialog = self.get(ctx)
        if dialog is None:
            return None
        return int(self.server.wall()) - int(dialog.started) if dialog.state >= ANSWERED and dialog.started else 0

    @pvar("DLG_flags")
    def dlg_flags(self, ctx: Context) -> Value:
        """Names of the flags that are set, separated by blanks."""
        dialog = self.get(ctx)
        if dialog is None:
            return None
        return dialog.user_flags if self.server.speaks_31 else self.flags_text(dialog)

    @dlg_flags.setter
    def _set_dlg_flags(self, ctx: Context, value: Value) -> None:
        dialog = self.get(ctx)
        if dialog is None:
            raise ScriptError("there is no dialog")
        if value is None:
            dialog.user_flags = 0
        elif self.server.speaks_31 and number_of(value) is not None:
            dialog.user_flags = number_of(value) or 0
        elif isinstance(value, str):
            dialog.user_flags = self.flag_names.mask_of(value)
        else:
            raise ScriptError("$DLG_flags wants names of flags")
        self.save_values(dialog)

    def direction(self, ctx: Context) -> str | None:
        """Direction of a request in its dialog."""
        if ctx.kind & _NO_DIRECTION:
            return None
        leg = self.leg_of(ctx)
        return None if leg < 0 else "downstream" if leg else "upstream"

    @pvar("DLG_dir")
    def dlg_dir(self, ctx: Context) -> Value:
        """downstream: from the caller, upstream: to it; NULL without a dialog and in replies."""
        return self.direction(ctx)

    @pvar("DLG_did")
    def dlg_did(self, ctx: Context) -> Value:
        """Id of the dialog, as dlg_list shows it."""
        dialog = self.get(ctx)
        return dialog.did if dialog is not None else None

    @pvar("DLG_end_reason")
    def dlg_end_reason(self, ctx: Context) -> Value:
        """Why it ended; NULL as long as it has not."""
        dialog = self.get(ctx)
        return (dialog.end_reason or None) if dialog is not None else None

    @pvar("DLG_timeout")
    def dlg_timeout(self, ctx: Context) -> Value:
        """Seconds until its lifetime is over; before there is a dialog what was set for it."""
        dialog = self.get(ctx)
        if dialog is not None:
            return self.seconds_left(dialog)
        run = ctx.slots.get("dialog") if ctx.slots is not None else None
        return run.timeout or None if run is not None else None

    @dlg_timeout.setter
    def _set_dlg_timeout(self, ctx: Context, value: Value) -> None:
        if value is None:
            raise ScriptError("$DLG_timeout cannot be NULL")
        seconds = _seconds(value, "$DLG_timeout")
        dialog = self.get(ctx)
        if dialog is None:
            self.run_of(ctx).timeout = seconds
        elif not self.is_racing(dialog):
            self.set_timeout(dialog, seconds)

    @pvar("DLG_del_delay")
    def dlg_del_delay(self, ctx: Context) -> Value:
        """Seconds the dialog stays findable after its end."""
        dialog = self.get(ctx)
        return None if dialog is None else dialog.delete_delay or self.delete_delay

    @dlg_del_delay.setter
    def _set_dlg_del_delay(self, ctx: Context, value: Value) -> None:
        if value is None:
            raise ScriptError("$DLG_del_delay cannot be NULL")
        dialog = self.get(ctx)
        if dialog is None:
            raise ScriptError("$DLG_del_delay: there is no dialog, create_dialog() makes one")
        dialog.delete_delay = _seconds(value, "$DLG_del_delay")

    @pvar("DLG_json")
    def dlg_json(self, ctx: Context) -> Value:
        """The dialog as JSON."""
        dialog = self.get(ctx)
        return self.json_of(dialog, False) if dialog is not None else None

    @pvar("DLG_ctx_json")
    def dlg_ctx_json(self, ctx: Context) -> Value:
        """The same with its values and profiles."""
        dialog = self.get(ctx)
        return self.json_of(dialog, True) if dialog is not None else None

    # ---- values ----

    def store(self, dialog: Dialog, name: str, value: Value) -> None:
        """$dlg_val(name) = value."""
        values = dialog.values
        if value is None:
            if values is None or values.pop(name, None) is None:
                return
            if not values:
                dialog.values = None
        else:
            if values is None:
                values = dialog.values = {}
            values[name] = value
        self.save_values(dialog)

    @staticmethod
    def fetch(dialog: Dialog, name: str) -> Value:
        """$dlg_val(name)."""
        return dialog.values.get(name) if dialog.values is not None else None

    @pvar("dlg_val")
    def dlg_val(self, ctx: Context, name: str) -> Value:
        """A value kept with the dialog; NULL without a dialog or value."""
        dialog = self.get(ctx)
        return self.fetch(dialog, name) if dialog is not None else None

    @dlg_val.setter
    def _set_dlg_val(self, ctx: Context, name: str, value: Value) -> None:
        dialog = self.get(ctx)
        if dialog is None:
            raise ScriptError(f"$dlg_val({name}): there is no dialog")
        self.store(dialog, name, plain(value))


def plain(value: Value) -> Value:
    """A value as a dialog keeps it: a number, a text or NULL."""
    if value is None:
        return None
    return str.__str__(value) if isinstance(value, str) else int(value)
