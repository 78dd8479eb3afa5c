"""dialog's script functions."""

from __future__ import annotations

from typing import Any

from engine.errors import ConfigError
from engine.module import ALL_ROUTES, BRANCH, FAILURE, LOCAL, ONREPLY, REQUEST, Context, Static, Value, Var, function
from engine.script.flags import MAX_FLAGS
from modules.dialog.api import CALLEE, CALLER, CONFIRMED, EARLY
from modules.dialog.base import MATCH_MODES
from modules.dialog.calls import DialogCalls
from modules.dialog.cell import CSEQ_ENFORCE, Dialog, Run
from modules.dialog.profiles import Profile
from modules.dialog.variables import DialogVariables, plain
from modules.dialog.within import DialogWithin

_CALL = REQUEST | FAILURE | ONREPLY | BRANCH
_CALL_LOCAL = _CALL | LOCAL


def match_mode(text: str) -> str:
    """Fixup of match_dialog(); any other word means the mode of dlg_match_mode."""
    return text.upper() if text.upper() in MATCH_MODES else ""


def id_type(text: str) -> str:
    """Fixup of load_dialog_ctx()."""
    if text.lower() not in ("callid", "did"):
        raise ConfigError(f"load_dialog_ctx: {text!r} is none of callid, did")
    return text.lower()


def leg_name(text: str) -> str:
    """Fixup of dlg_send_sequential()."""
    if text.lower() not in (CALLER, CALLEE):
        raise ConfigError(f"dlg_send_sequential: {text!r} is none of caller, callee")
    return text.lower()


def no_cluster_function(*_: Any) -> None:
    """Check of set_dlg_sharing_tag()."""
    raise ConfigError("set_dlg_sharing_tag() needs the clusterer module, which this server does not have")


class DialogFunctions(DialogVariables):
    """What scripts call. Without a dialog they give -1, where nothing else is said."""

    # ---- making and finding ----

    @function(REQUEST, name="create_dialog")
    def _create_dialog(self, ctx: Context, flags: str | None = None) -> int:
        """Make the dialog of an initial INVITE. flags: B BYE both sides when its time is over, P p ping caller, callee with
        OPTIONS, R r with re-INVITE, E end it after a race. 1 also when there is one (its flags are set anew), -1 for other
        requests."""
        return DialogCalls.create_dialog(self, ctx, flags)

    @function(REQUEST, mode=match_mode, name="match_dialog")
    def _match_dialog(self, ctx: Context, mode: str | None = None) -> int:
        """Find the dialog of a request with a To tag, when loose_route() has not. mode: DID_FALLBACK, DID_NONE; DID_ONLY and any
        other word mean that of dlg_match_mode."""
        return DialogWithin.match_dialog(self, ctx, mode)

    @function(ALL_ROUTES, id_type=id_type)
    def load_dialog_ctx(self, ctx: Context, dialog: str, id_type: str | None = None) -> int:
        """Work with another dialog until unload_dialog_ctx(). dialog: a Call-ID, with id_type did an id. -1: no such dialog, or
        one is loaded already."""
        run = self.run_of(ctx)
        if run.loaded is not None:
            self.log.error("load_dialog_ctx: a dialog is loaded already, unload_dialog_ctx() lets go of it")
            return -1
        if id_type == "did":
            found = self.table.get(dialog)
        else:
            found = next(iter(self.table.of_call(dialog)), None)
        if found is None:
            return -1
        run.loaded = found
        return 1

    @function(ALL_ROUTES)
    def unload_dialog_ctx(self, ctx: Context) -> int:
        """Back to the dialog of the message. -1: none was loaded."""
        run: Run | None = ctx.slots.get("dialog") if ctx.slots is not None else None
        if run is None or run.loaded is None:
            return -1
        run.loaded = None
        return 1

    @function(REQUEST, check=no_cluster_function)
    def set_dlg_sharing_tag(self, ctx: Context, tag_name: str) -> int:
        """Marks a dialog for a cluster: needs the clusterer module."""
        return -1

    # ---- profiles ----

    def _known_profile(self, name: str) -> Profile | None:
        profile = self.profile(name)
        if profile is None:
            self.log.error("profile <%s> is not defined", name)
        return profile

    @function(_CALL)
    def set_dlg_profile(self, ctx: Context, profile: str, value: str | None = None, clear_values: int | None = None) -> int:
        """Put the dialog into a profile; clear_values 1: out of it first, whatever the value."""
        found, dialog = self._known_profile(profile), self.get(ctx)
        return self._join(dialog, found, value, bool(clear_values)) if found is not None and dialog is not None else -1

    def _join(self, dialog: Dialog, profile: Profile, value: str | None, clear: bool) -> int:
        if profile.has_value:
            if value is None:
                self.log.warning("profile <%s> needs a value", profile.name)
                return -1
            if clear:
                self.part(dialog, profile, None)
        if not self.join(dialog, profile, value or "" if profile.has_value else ""):
            return -1
        self.save_values(dialog)
        return 1

    @function(_CALL)
    def unset_dlg_profile(self, ctx: Context, profile: str, value: str | None = None) -> int:
        """Take the dialog out of a profile, without value whatever its values; -1 also when it is not in it."""
        found, dialog = self._known_profile(profile), self.get(ctx)
        if found is None or dialog is None or not self.part(dialog, found, value):
            return -1
        self.save_values(dialog)
        return 1

    @function(_CALL)
    def is_in_profile(self, ctx: Context, profile: str, value: str | None = None) -> int:
        """1: the dialog is in the profile (with that value)."""
        found, dialog = self._known_profile(profile), self.get(ctx)
        return 1 if found is not None and dialog is not None and self.is_in(dialog, found, value) else -1

    @function(ALL_ROUTES, writable=("size",))
    def get_profile_size(self, ctx: Context, profile: str, value: str | None, size: Var) -> int:
        """How many dialogs are in a profile (with that value). -1: no such profile."""
        found = self._known_profile(profile)
        if found is None or size.set is None:
            return -1
        size.set(ctx, self.profile_size(found, value))
        return 1

    # ---- flags ----

    def flag_bit(self, name: str) -> int:
        """Fixup: the bit of a flag; release 3.1 numbers them."""
        if self.server.speaks_31 and name.isdigit() and int(name) < MAX_FLAGS:
            return 1 << int(name)
        return self.flag_names.bit(name)

    @function(_CALL_LOCAL, flag="flag_bit")
    def set_dlg_flag(self, ctx: Context, flag: Static[str]) -> int:
        """Set a flag of the dialog."""
        dialog = self.get(ctx)
        if dialog is None:
            return -1
        dialog.user_flags |= int(flag)
        self.save_values(dialog)
        return 1

    @function(_CALL_LOCAL, flag="flag_bit")
    def reset_dlg_flag(self, ctx: Context, flag: Static[str]) -> int:
        """Clear it."""
        dialog = self.get(ctx)
        if dialog is None:
            return -1
        dialog.user_flags &= ~int(flag)
        self.save_values(dialog)
        return 1

    @function(_CALL_LOCAL, flag="flag_bit")
    def is_dlg_flag_set(self, ctx: Context, flag: Static[str]) -> int:
        """1: it is set."""
        dialog = self.get(ctx)
        return 1 if dialog is not None and dialog.user_flags & int(flag) else -1

    @function(_CALL_LOCAL, flag="flag_bit")
    def test_and_set_dlg_flag(self, ctx: Context, flag: Static[str], value: int) -> int:
        """1: the flag was as value (0, 1) says, and now is not; -1 it was not, -2 no dialog."""
        dialog = self.get(ctx)
        if dialog is None:
            return -2
        bit = int(flag)
        if value not in (0, 1):
            self.log.error("test_and_set_dlg_flag: the value is 0 or 1, not %d", value)
            return -1
        if bool(dialog.user_flags & bit) != bool(value):
            return -1
        dialog.user_flags ^= bit
        self.save_values(dialog)
        return 1

    # ---- values ----

    @function(_CALL_LOCAL)
    def store_dlg_value(self, ctx: Context, name: str, val: Var) -> int:
        """Keep the value of a variable with the dialog; -1 also for NULL."""
        dialog = self.get(ctx)
        value = val.get(ctx)
        if dialog is None or value is None:
            return -1
        self.store(dialog, name, plain(value))
        return 1

    @function(_CALL_LOCAL, writable=("val",))
    def fetch_dlg_value(self, ctx: Context, name: str, val: Var) -> int:
        """Read it again; -1 also when there is none."""
        dialog = self.get(ctx)
        value = self.fetch(dialog, name) if dialog is not None else None
        if value is None or val.set is None:
            return -1
        val.set(ctx, value)
        return 1

    def avp(self, var: Var) -> Var:
        """Fixup: several values are written into it, so it must be an AVP."""
        if var.name != "avp":
            raise ConfigError(f"{var.text} cannot hold several values: an $avp is wanted")
        return var

    def _living(self) -> list[Dialog]:
        return [dialog for dialog in self.table.in_order() if dialog.state <= CONFIRMED]

    def _with_value(self, name: str, value: Value) -> list[Dialog]:
        """Living dialogs that have that value."""
        if value is None:
            return []
        wanted = plain(value)
        return [dialog for dialog in self._living() if self.fetch(dialog, name) == wanted]

    @function(ALL_ROUTES, writable=("avp", "no_dlgs"), avp="avp")
    def get_dialog_info(self, ctx: Context, attr: str, avp: Var, key: str, key_val: Var, no_dlgs: Var) -> int:
        """Into avp: value attr of all living dialogs whose value key is that of key_val; their number into no_dlgs and the return
        code. -1: none."""
        found = self._with_value(key, key_val.get(ctx))
        values = [self.fetch(dialog, attr) for dialog in found]
        assert avp.set is not None and no_dlgs.set is not None
        for value in values:
            if value is None:
                self.log.error("get_dialog_info: a dialog has no value %s", attr)
                return -1
            avp.set(ctx, value)
        if not found:
            return -1
        no_dlgs.set(ctx, len(found))
        return len(found)

    @function(ALL_ROUTES, writable=("names", "vals"), names="avp", vals="avp")
    def get_dialog_vals(self, ctx: Context, names: Var, vals: Var, callid: str) -> int:
        """Names and values of all values of the dialog with a Call-ID."""
        dialog = self.find_call(callid)
        if dialog is None:
            return -1
        assert names.set is not None and vals.set is not None
        for name, value in reversed((dialog.values or {}).items()):
            names.set(ctx, name)
            vals.set(ctx, value)
        return 1

    def _give_jsons(self, ctx: Context, found: list[Dialog], out: Var, number: Var) -> int:
        if not found:
            return -1
        assert out.set is not None and number.set is not None
        for dialog in found:
            out.set(ctx, self.json_of(dialog, True))
        number.set(ctx, len(found))
        return len(found)

    @function(ALL_ROUTES, writable=("out_avp", "dlg_no"), out_avp="avp")
    def get_dialogs_by_val(self, ctx: Context, name: str, value: Var, out_avp: Var, dlg_no: Var) -> int:
        """$DLG_ctx_json of all living dialogs that have a value, and their number (the return code as well). -1: none."""
        return self._give_jsons(ctx, self._with_value(name, value.get(ctx)), out_avp, dlg_no)

    @function(ALL_ROUTES, writable=("out_avp", "dlg_no"), out_avp="avp")
    def get_dialogs_by_profile(self, ctx: Context, name: str, value: str | None, out_avp: Var, dlg_no: Var) -> int:
        """The same for a profile (with that value)."""
        profile = self._known_profile(name)
        if profile is None:
            return -1
        return self._give_jsons(ctx, [one for one in self._living() if self.is_in(one, profile, value)], out_avp, dlg_no)

    # ---- routes to come ----

    def route_name(self, name: str) -> str:
        """Fixup: a route of the script."""
        known = self.server.registry.route_names.get("request")
        if known is not None and name not in known:
            raise ConfigError(f"route[{name}] is not defined")
        return name

    def _arm(self, ctx: Context, what: str) -> Dialog | None:
        """The dialog, when a route may still be armed for it."""
        dialog = self.get(ctx)
        if dialog is None:
            self.log.warning("%s: there is no dialog, create_dialog() makes one", what)
        elif dialog.state > EARLY:
            self.log.warning("%s: too late, the dialog is established", what)
            return None
        return dialog

    @function(_CALL, route_name="route_name")
    def dlg_on_answer(self, ctx: Context, route_name: str | None = None) -> int:
        """Run a route when the call is answered, on the dummy request with this dialog; without a name none. -1 also when it has
        been answered already."""
        dialog = self._arm(ctx, "dlg_on_answer")
        if dialog is None:
            return -1
        dialog.on_answer = route_name or ""
        return 1

    @function(_CALL, route_name="route_name")
    def dlg_on_timeout(self, ctx: Context, route_name: str | None = None) -> int:
        """Run a route when the lifetime is over; a new $DLG_timeout there prolongs the call."""
        dialog = self._arm(ctx, "dlg_on_timeout")
        if dialog is None:
            return -1
        dialog.on_timeout = route_name or ""
        return 1

    @function(_CALL, route_name="route_name")
    def dlg_on_hangup(self, ctx: Context, route_name: str | None = None) -> int:
        """Run a route when the call has ended by BYE, MI, pings or timeout with flag B."""
        dialog = self._arm(ctx, "dlg_on_hangup")
        if dialog is None:
            return -1
        dialog.on_hangup = route_name or ""
        return 1

    # ---- requests of our own ----

    @function(ALL_ROUTES, leg=leg_name)
    def dlg_send_sequential(
        self, ctx: Context, method: str, leg: str, body: str | None = None, content_type: str | None = None,
        headers: str | None = None,
    ) -> int:
        """Send a request inside the dialog to the caller or callee, with the other side's Contact."""
        dialog = self.get(ctx)
        if dialog is None:
            self.log.warning("dlg_send_sequential: there is no dialog, load_dialog_ctx() gets one")
            return -1
        if body and not content_type:
            self.log.warning("dlg_send_sequential: a body without content type may be refused")
        sent = self.send_leg(
            dialog, self.number_of(dialog, leg), method, body=body or "", content_type=content_type or "", headers=headers or "")
        return 1 if sent else -1

    @function(REQUEST | FAILURE | ONREPLY | BRANCH | LOCAL)
    def dlg_inc_cseq(self, ctx: Context, tag: str | None = None, inc: int | None = None) -> int:
        """Count up (or down) the CSeq of requests towards the callee with a tag, by default the To tag of the message. -1: no
        such callee, -2 no dialog."""
        dialog = self.get(ctx)
        if dialog is None:
            return -2
        wanted = tag if tag is not None else ctx.msg.to_tag or ""
        for leg in dialog.legs[1:]:
            if leg.tag == wanted:
                if not leg.gen:
                    leg.gen = leg.last_number
                leg.gen += 1 if inc is None else inc
                dialog.flags |= CSEQ_ENFORCE
                return 1
        self.log.error("dlg_inc_cseq: no callee has the tag <%s>", wanted)
        return -1

