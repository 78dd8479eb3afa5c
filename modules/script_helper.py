"""script_helper: the ordinary handling of requests inside a dialog, done before the script sees them.

Manual: OpenSIPS 3.6, module script_helper. Requests with a To tag follow their Route set and are relayed, CANCEL and ACK are
handed to their transaction, retransmissions are absorbed: the request route runs for new requests only, which get a
Record-Route (but REGISTER and MESSAGE).
"""

from __future__ import annotations

from typing import Any

from engine.errors import ConfigError, SipParseError
from engine.module import Context, Module, modparam, needs, wants


class ScriptHelper(Module):
    """The module."""

    rr: Any = needs("rr")
    sl: Any = needs("sl")
    tm: Any = needs("tm")
    dialog: Any = wants("dialog")

    use_dialog = modparam(int, 0, min=0, max=1, help="1: make a dialog of each new INVITE, and match later requests to it")
    create_dialog_flags = modparam(str, "", help="flags of create_dialog()")
    sequential_route = modparam(str, "", help="route that runs before a request inside a dialog is relayed")

    def mod_init(self) -> None:
        if self.use_dialog and self.dialog is None:
            raise ConfigError("script_helper: use_dialog needs the module dialog", hint='add loadmodule "dialog.so"')
        self.server.pre_request.append(self._before_request)

    def cfg_validate(self, script: Any) -> None:
        if self.sequential_route and self.sequential_route not in script.routes:
            self.log.error('route "%s" does not exist! ignoring', self.sequential_route)

    def _before_request(self, ctx: Context) -> bool:
        """True: the request route is to run."""
        try:
            new = self._is_new(ctx)
        except SipParseError as error:
            self.log.error("failed to parse %s", error.part)
            return False
        if not new:
            for after in self.server.post_request:
                after(ctx)
        return new

    def _is_new(self, ctx: Context) -> bool:
        """Handle what is not a new request; True for one that is."""
        msg: Any = ctx.msg
        method = msg.method
        inside = bool(msg.to_tag)
        if inside:
            if method == "INVITE":
                self.rr.record_route(ctx)
            if self.rr.loose_route(ctx) < 0:
                if self.use_dialog and self.dialog.match_dialog(ctx) < 0:
                    self.log.debug("failed to match dialog for <%s>, ci '%s'", method, msg.call_id)
                if method == "ACK":
                    self._relay_known(ctx)
                else:
                    self.sl.reply(ctx, 404, "Not Here")
                return False
        if method == "CANCEL":
            self._relay_known(ctx)
            return False
        if self.tm.t_check_trans(ctx) == 0:
            return False
        if inside:
            self._sequential(ctx)
            return False
        if method not in ("REGISTER", "MESSAGE"):
            self.rr.record_route(ctx)
        if self.use_dialog and method == "INVITE":
            self.dialog.create_dialog(ctx, self.create_dialog_flags or None)
        return True

    def _relay_known(self, ctx: Context) -> None:
        """Relay a CANCEL or ACK whose transaction is here; another one is dropped."""
        if self.tm.t_check_trans(ctx) > 0:
            self.tm.t_relay(ctx)

    def _sequential(self, ctx: Context) -> None:
        route = ctx.script.routes.get(self.sequential_route) if self.sequential_route else None
        if route is not None and self.server.run(route, ctx) == 0:
            return
        if self.tm.t_relay(ctx) < 0:
            self.sl.reply(ctx, 500, "Server Internal Error")


exports = ScriptHelper
