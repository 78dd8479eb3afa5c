"""uac_replace_*() and what comes after it: the replies, and the later requests of the dialog.

Where the old URI is kept: in a parameter of our Record-Route, or (restore_mode auto, and a dialog is there) with the dialog,
whose values have the names OpenSIPS gives them.
"""

from __future__ import annotations

from typing import Any, Final

from engine.errors import SipParseError
from engine.module import BRANCH, REQUEST, Context
from engine.sip.headers import NameAddr
from modules.dialog.api import ON_LOADED, ON_REQUEST_WITHIN, ON_TERMINATED, Dialog, DialogEvent, Dialogs
from modules.rr.api import Rr
from modules.tm.api import Transaction
from modules.uac.base import AUTO, FROM, NONE, TO, State, address_of, state_of
from modules.uac.names import (
    address_span, current_text, display_name, is_clean, keep, other_name, put_text, renamed, with_uri,
)

E_SCRIPT: Final = -10
"""The script makes a mistake."""
_NEW_NAME: Final = {FROM: "739823", TO: "739824"}
"""Names of the dialog's values with the new URIs."""


class Replacing:
    """Mixin of the module."""

    log: Any
    rr: Rr | None
    dialog: Dialogs | None
    restore_mode: Any
    restore_passwd: Any
    rr_from_store_param: Any
    rr_to_store_param: Any
    force_dialog: Any
    _params: dict[str, str]

    def display_text(self, text: str) -> str:
        """Fixup: a display name as it stands in a header."""
        return display_name(text)

    # ---- the first request ----

    def replace(self, ctx: Context, header: str, display: str | None, uri: str) -> int:
        """uac_replace_from(), uac_replace_to()."""
        msg = ctx.msg
        state = state_of(ctx)
        if ctx.kind == REQUEST and header in state.replaced:
            self.log.error("%s was replaced already: the request route can do that once", header)
            return E_SCRIPT
        try:
            if uri and self.restore_mode == AUTO and msg.to_tag:
                self.log.error("%s of a request inside a dialog is not replaced in restore_mode auto", header)
                return -1
            address = address_of(msg, header)
            if address is None:
                self.log.error("there is no %s", header)
                return -1
            if not is_clean(uri) or not is_clean(display or ""):
                self.log.error("what is to stand in %s would end the line", header)
                return -1
            edits = ctx.new_edits()
            span = address_span(msg, address)
            text, index = current_text(msg, edits, span)
            text = renamed(text, display, uri)
        except SipParseError as error:
            self.log.error("%s cannot be read: %s", header, error.message)
            return -1
        if uri and self.restore_mode != NONE:
            if not self._remember(ctx, state, header, address, uri):
                return -1
            state.restored.add(header)
        put_text(edits, span, text, index)
        if ctx.kind == REQUEST:
            state.replaced.add(header)
        return 1

    def _remember(self, ctx: Context, state: State, header: str, address: NameAddr, uri: str) -> bool:
        """Keep the old URI for the requests to come."""
        assert self.rr is not None
        if self.restore_mode == AUTO and self.dialog is not None:
            dialog = self.dialog.get(ctx)
            if dialog is None and self.force_dialog:
                if self.dialog.create_dialog(ctx) < 0:
                    self.log.error("no dialog could be made")
                    return False
                dialog = self.dialog.get(ctx)
            if dialog is not None:
                self._remember_in_dialog(ctx, state, dialog, header, address.uri, f"<{uri}>")
                return True
        try:
            kept = keep(address.uri, f"<{uri}>", self.restore_passwd)
        except ValueError as error:
            self.log.error("%s is not replaced: %s", header, error)
            return False
        name = self.rr_from_store_param if header == FROM else self.rr_to_store_param
        return self.rr.add_param(ctx, f";{name}={kept}") > 0

    # ---- later requests, by Route ----

    def on_route_names(self, ctx: Context, params: str) -> None:
        """loose_route() followed the Route set of a request (restore_mode auto)."""
        for header in (FROM, TO):
            self.restore(ctx, header)

    def restore(self, ctx: Context, header: str) -> bool:
        """Exchange the URI that was replaced in a header of the first request; False when there is nothing to do."""
        if self.rr is None:
            return False
        kept = self.rr.param(ctx, self._params[header])
        if not kept:
            return False
        downstream = self.rr.downstream(ctx)
        target = header if downstream else TO if header == FROM else FROM
        try:
            address = address_of(ctx.msg, target)
            if address is None:
                return False
            old = address.uri
            if not downstream:
                # The far end knows the new URI, which was kept with its angle brackets.
                span = address_span(ctx.msg, address)
                start = ctx.msg.value_start(address.header) + address.uri_start
                old = ctx.msg.text[ctx.msg.text.rindex("<", 0, start):span[1]] if address.bracketed else old
            new = other_name(kept, old, self.restore_passwd)
            if new is None:
                self.log.error("what the Route keeps of %s does not fit this request's %s", header, target)
                return False
            self._exchange(ctx, target, address, new, downstream)
        except SipParseError as error:
            self.log.error("%s cannot be read: %s", target, error.message)
            return False
        return True

    def _exchange(self, ctx: Context, target: str, address: NameAddr, uri: str, brackets: bool) -> None:
        edits = ctx.new_edits()
        span = address_span(ctx.msg, address)
        text, index = current_text(ctx.msg, edits, span)
        put_text(edits, span, with_uri(text, uri, brackets), index)
        if self.restore_mode == AUTO:
            state_of(ctx).restored.add(target)

    # ---- replies ----

    def restore_reply(self, transaction: Transaction, ctx: Context, state: State) -> None:
        """The reply's address becomes that of the request, its parameters (the tag) stay. Raises SipParseError."""
        request, reply = transaction.request, ctx.msg
        for header in state.restored:
            ours, theirs = address_of(request, header), address_of(reply, header)
            if ours is None or theirs is None:
                continue
            start, end = address_span(request, ours)
            span = address_span(reply, theirs)
            text, index = current_text(reply, ctx.new_edits(), span)
            wanted = request.text[start:end]
            if text != wanted:
                put_text(ctx.new_edits(), span, wanted, index)
        if state.by_branch is not None:
            self._settle_branch(ctx, state)

    # ---- later requests, by dialog ----

    def listen_to_dialogs(self) -> None:
        """Dialogs that come back from a database remember by their values."""
        if self.dialog is not None:
            self.dialog.register(ON_LOADED, lambda event: self._watch(event.dialog))

    def _remember_in_dialog(self, ctx: Context, state: State, dialog: Dialog, header: str, old: str, new: str) -> None:
        assert self.dialog is not None
        names = {self._old_name(header): old, _NEW_NAME[header]: new}
        if ctx.kind == BRANCH and ctx.branch is not None:
            # Which branch the call is with is known when it is answered.
            if state.by_branch is None:
                state.by_branch = {}
            state.by_branch.setdefault(ctx.branch.index, {}).update(names)
            return
        for name, value in names.items():
            self.dialog.store(dialog, name, value)
        self._watch(dialog)

    def _old_name(self, header: str) -> str:
        return self.rr_from_store_param if header == FROM else self.rr_to_store_param  # type: ignore[no-any-return]

    def _settle_branch(self, ctx: Context, state: State) -> None:
        """A branch is answered: the dialog keeps what was replaced there."""
        code = ctx.msg.status_code  # type: ignore[attr-defined]
        if not 200 <= code < 300 or self.dialog is None or ctx.branch is None or state.by_branch is None:
            return
        names = state.by_branch.pop(ctx.branch.index, None)
        dialog = self.dialog.get(ctx)
        if names is None or dialog is None:
            return
        for name, value in names.items():
            self.dialog.store(dialog, name, value)
        self._watch(dialog)

    def _watch(self, dialog: Dialog) -> None:
        """Hear of the requests of a dialog in which something was replaced."""
        assert self.dialog is not None
        slots = dialog.slots
        if slots is None:
            slots = dialog.slots = {}
        if "uac" in slots or not any(self.dialog.fetch(dialog, name) for name in _NEW_NAME.values()):
            return
        slots["uac"] = True
        self.dialog.watch(dialog, ON_REQUEST_WITHIN, self._on_request_within)
        self.dialog.watch(dialog, ON_TERMINATED, self._on_request_within)

    def _on_request_within(self, event: DialogEvent) -> None:
        """A request inside a dialog: the far end gets the new URIs, the near end its own back."""
        ctx = event.ctx
        if ctx is None or self.dialog is None:
            return
        for header in (FROM, TO):
            name = _NEW_NAME[header] if event.downstream else self._old_name(header)
            uri = self.dialog.fetch(event.dialog, name)
            if not isinstance(uri, str) or self.dialog.fetch(event.dialog, _NEW_NAME[header]) is None:
                continue
            target = header if event.downstream else TO if header == FROM else FROM
            try:
                address = address_of(ctx.msg, target)
                if address is not None and target not in state_of(ctx).restored:
                    self._exchange(ctx, target, address, uri, event.downstream)
            except SipParseError as error:
                self.log.error("%s cannot be read: %s", target, error.message)
