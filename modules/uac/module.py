"""The module: parameters, script functions, and who is told what."""

from __future__ import annotations

from typing import Any

from engine.errors import ConfigError, SipParseError
from engine.module import BRANCH, FAILURE, REQUEST, Context, Module, function, modparam, needs, wants
from engine.sip.digest import ALGORITHMS, parse_algorithms
from modules.dialog.api import Dialogs
from modules.rr.api import Rr
from modules.tm.api import CREATED, RESPONSE_IN, Tm, Transaction
from modules.uac.answering import Answering
from modules.uac.base import AUTO, FROM, MODES, NONE, TO, State
from modules.uac.replacing import Replacing
from modules.uac_auth.api import UacAuth

_REPLACING = ("uac_replace_from", "uac_replace_to", "uac_restore_from", "uac_restore_to")


def restore_mode(text: str) -> str:
    """The parameter of that name."""
    if text.lower() not in MODES:
        raise ValueError(f"unknown mode {text!r}, it is one of {', '.join(MODES)}")
    return text.lower()


def algorithm_list(text: str) -> tuple[str, ...]:
    """Fixup: algorithms that may be used."""
    try:
        return parse_algorithms(text)
    except ValueError as error:
        raise ConfigError(str(error), hint=f"the known ones are {', '.join(ALGORITHMS)}") from None


class Uac(Replacing, Answering, Module):
    """The uac module."""

    tm: Tm = needs("tm")
    rr: Rr | None = wants("rr")
    uac_auth_api: UacAuth | None = wants("uac_auth")
    dialog: Dialogs | None = wants("dialog")

    restore_mode = modparam(
        str, AUTO, parse=restore_mode, help="what is put right: none; manual, replies; auto, replies and later requests")
    restore_passwd = modparam(str, "", help="password the old URI is mixed with in Record-Route")
    rr_from_store_param = modparam(str, "vsf", help="parameter of Record-Route with the old From URI")
    rr_to_store_param = modparam(str, "vst", help="parameter of Record-Route with the old To URI")
    force_dialog = modparam(int, 0, help="1: make a dialog when the script has made none, it keeps the old URIs then")

    def mod_init(self) -> None:
        self._listening = False
        if self.restore_mode != NONE and not (self.rr_from_store_param and self.rr_to_store_param):
            raise ConfigError("uac: rr_from_store_param and rr_to_store_param cannot be empty")
        self._params = {FROM: self.rr_from_store_param.lower(), TO: self.rr_to_store_param.lower()}
        self._follows_routes = False
        self._marks_routes = False

    def cfg_validate(self, script: Any) -> None:
        """What the functions used need is there; nothing is listened to for the others."""
        replaces = self.restore_mode != NONE and any(script.uses(name) for name in _REPLACING)
        answers = script.uses("uac_auth")
        if answers and self.uac_auth_api is None:
            raise ConfigError(
                "uac: uac_auth() needs module uac_auth, but it was not loaded!", hint='add loadmodule "uac_auth.so"')
        if replaces:
            if self.rr is None:
                raise ConfigError(
                    f"uac: restore_mode {self.restore_mode!r} needs module rr, but it was not loaded!",
                    hint='add loadmodule "rr.so"',
                )
            if self.restore_mode == AUTO and self.force_dialog and self.dialog is None:
                raise ConfigError("uac: force_dialog needs module dialog, but it was not loaded!")
        if ((replaces and self.restore_mode == AUTO and not self.force_dialog) or answers) and self.rr is not None \
                and not getattr(self.rr, "append_fromtag", 1):
            raise ConfigError("uac: the direction of requests is told from rr's append_fromtag, which is off")
        if replaces or answers or script.uses("uac_inc_cseq"):
            self._listen()
        if replaces and self.restore_mode == AUTO and not self._follows_routes and self.rr is not None:
            self._follows_routes = True
            self.rr.register(self.on_route_names)
            self.listen_to_dialogs()
        if answers and not self._marks_routes and self.rr is not None:
            self._marks_routes = True
            self.rr.register(self.on_route_numbers)

    def _listen(self) -> None:
        if not self._listening:
            self._listening = True
            self.tm.register(CREATED, self._on_created)
            self.tm.register(RESPONSE_IN, self._on_response)

    @staticmethod
    def _on_created(transaction: Transaction, ctx: Context) -> None:
        """What was done to a request before it had a transaction."""
        state = ctx.slots.get("uac") if ctx.slots is not None else None
        if state is not None:
            transaction.slots["uac"] = state

    def _on_response(self, transaction: Transaction, ctx: Context) -> None:
        """A reply: the caller gets back what he sent."""
        state: State | None = transaction.slots.get("uac")
        if state is None:
            return
        try:
            if state.restored:
                self.restore_reply(transaction, ctx, state)
            if state.renumbered:
                self.renumber_reply(transaction, ctx)
        except SipParseError as error:
            self.log.error("a reply cannot be put right: %s", error.message)

    # ---- script functions ----

    @function(REQUEST | BRANCH | FAILURE, display="display_text")
    def uac_replace_from(self, ctx: Context, display: str | None, uri: str) -> int:
        """Put another display name and URI into From. display: left out, it stays; "", it is removed. uri "": it stays. 1; -10 in
        the request route for a second time; -1 in auto mode for a request inside a dialog, or when From cannot be read."""
        return self.replace(ctx, FROM, display, uri)

    @function(REQUEST | BRANCH | FAILURE, display="display_text")
    def uac_replace_to(self, ctx: Context, display: str | None, uri: str) -> int:
        """Put another display name and URI into To; see uac_replace_from()."""
        return self.replace(ctx, TO, display, uri)

    @function(REQUEST | BRANCH | FAILURE)
    def uac_restore_from(self, ctx: Context) -> int:
        """After loose_route(): exchange the URI that uac_replace_from() changed in this dialog, From or To by the request's
        direction. For restore_mode manual. 1; -1 there is nothing to restore."""
        return 1 if self.restore(ctx, FROM) else -1

    @function(REQUEST | BRANCH | FAILURE)
    def uac_restore_to(self, ctx: Context) -> int:
        """The same for uac_replace_to()."""
        return 1 if self.restore(ctx, TO) else -1

    @function(REQUEST | BRANCH | FAILURE, algorithms=algorithm_list)
    def uac_auth(self, ctx: Context, algorithms: str | None = None) -> int:
        """In failure_route after a 401 or 407: add the answer to the challenge, and count CSeq up; t_relay() sends the request
        to the same Request-URI again. algorithms: the only ones to be used. 1; -1 no credential for the realm, or no usable
        challenge."""
        return self.answer(ctx, algorithms or ())  # type: ignore[arg-type]

    @function(REQUEST | BRANCH | FAILURE)
    def uac_inc_cseq(self, ctx: Context, cseq: int) -> int:
        """Count the CSeq of a request up by a number; its replies get the old one back. Needs the transaction: t_newtran() in the
        request route. 1 / -1."""
        return self.count_up(ctx, cseq)
