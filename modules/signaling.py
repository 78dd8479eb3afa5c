"""signaling: send_reply(), which answers through tm when there is a transaction and through sl when there is none."""

from __future__ import annotations

from typing import Any

from engine.errors import ConfigError
from engine.module import ERROR, FAILURE, REQUEST, Context, Module, Value, function, pvar, wants
from modules.shared.replies import reply_code, tag_prefix, to_tag


class Signaling(Module):
    """The signaling module. Other modules call reply()."""

    tm: Any = wants("tm")
    sl: Any = wants("sl")

    def mod_init(self) -> None:
        if self.tm is None and self.sl is None:
            raise ConfigError("signaling needs tm or sl to send replies", hint='add loadmodule "sl.so"')
        self._tag_prefix = f"{tag_prefix()}-"

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "") -> int:
        """Answer the request of a run: in its transaction when there is one, else statelessly. headers: whole lines. 1 or -1;
        0 when the script must end (a retransmission)."""
        if self.tm is not None and (ctx.transaction is not None or self.sl is None):
            return self.tm.reply(ctx, code, reason, headers, body)  # type: ignore[no-any-return]
        return self.sl.reply(ctx, code, reason, headers, body)  # type: ignore[no-any-return]

    @function(REQUEST | ERROR | FAILURE, code=reply_code)
    def send_reply(self, ctx: Context, code: int, reason: str) -> int:
        """Answer the request, through tm if a transaction exists, else through sl."""
        return self.reply(ctx, code, reason)

    @pvar("sig_local_totag")
    def sig_local_totag(self, ctx: Context) -> Value:
        """To tag that a reply to this request gets, or has got."""
        transaction = ctx.transaction
        if transaction is not None and self.tm is not None:
            if transaction.to_tag is None:
                transaction.to_tag = self.tm.tag_for(transaction)
            return transaction.to_tag  # type: ignore[no-any-return]
        if self.sl is not None:
            return self.sl.tag(ctx)  # type: ignore[no-any-return]
        return to_tag(self._tag_prefix, ctx.msg)  # type: ignore[arg-type]


exports = Signaling
