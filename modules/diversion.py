"""diversion: the Diversion header of a forwarded call (draft-levy-sip-diversion-08).

Manual: OpenSIPS 3.6, module diversion.
"""

from __future__ import annotations

from typing import Any

from engine.module import FAILURE, LOCAL, REQUEST, Context, Module, function, modparam

_NAME = "Diversion"


class Diversion(Module):
    """The module."""

    suffix = modparam(str, "", help="what stands behind the header's value, as ;privacy=full")

    @function(REQUEST | FAILURE | LOCAL)
    def add_diversion(self, ctx: Context, reason: str, uri: str | None = None, counter: int = 0) -> int:
        """Put a Diversion header above all others of that name, also those this function added before. 1.

        uri: who diverted, otherwise the Request-URI as it was received. counter: written when it is above 0.
        """
        msg: Any = ctx.msg
        count = f";counter={counter}" if counter > 0 else ""
        line = f"{_NAME}: <{msg.request_uri if uri is None else uri}>;reason={reason}{count}{self.suffix}\r\n"
        edits = ctx.new_edits()
        place = msg.span(msg.names.index("diversion"))[0] if "diversion" in msg.names else msg.headers_end
        # Texts at one place come out in the order of recording: in front of those that were added by an earlier call.
        changes = edits.changes
        first = next(
            (i for i, (start, end, text) in enumerate(changes) if start == end == place and text.startswith(_NAME + ": ")),
            len(changes),
        )
        changes.insert(first, (place, place, line))
        return 1


exports = Diversion
