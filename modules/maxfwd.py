"""maxfwd: the Max-Forwards header (RFC 3261 16.6 step 3, 20.22)."""

from __future__ import annotations

from engine.errors import SipParseError
from engine.module import BRANCH, FAILURE, REQUEST, Context, Module, function, modparam

_DIGITS = 5
"""More digits are no number of hops to OpenSIPS either."""


def positive(value: int) -> int:
    """Fixup: a number of hops; 0 ... 255 in RFC 3261, larger ones are cut later."""
    return max(0, value)


class Maxfwd(Module):
    """Counts hops down."""

    max_limit = modparam(int, 256, min=1, max=256, help="the most hops a relayed request keeps")

    @staticmethod
    def _value(ctx: Context) -> tuple[int, int, str] | None:
        """(number, index of the header, its digits); None when absent. SipParseError: it is no number."""
        msg = ctx.msg
        names = msg.names
        if "max-forwards" not in names:
            return None
        i = names.index("max-forwards")
        digits = msg.raw_value(i).strip(" \t\r\n")
        if len(digits) > _DIGITS or not (digits.isascii() and digits.isdigit()):
            raise SipParseError("bad Max-Forwards", part="Max-Forwards")
        return int(digits), i, digits

    @function(REQUEST, max_value=positive)
    def mf_process_maxfwd_header(self, ctx: Context, max_value: int) -> int:
        """Count down in place, so that every later reader sees the new number. 1 counted, 2 added with max_value (there was
        none), -1 it was 0: too many hops, -2 it is no number."""
        try:
            found = self._value(ctx)
        except SipParseError:
            self.log.error("Max-Forwards is no number")
            return -2
        if found is None:
            ctx.new_edits().insert_header(ctx.msg, f"Max-Forwards: {min(max_value, self.max_limit)}\r\n")
            return 2
        number, i, digits = found
        if number == 0:
            return -1
        left = str(min(number - 1, self.max_limit)).rjust(len(digits))
        msg = ctx.msg
        msg.overwrite(i, msg.value_start(i) + msg.raw_value(i).index(digits), left)
        return 1

    @function(REQUEST | FAILURE | BRANCH)
    def is_maxfwd_lt(self, ctx: Context, max_value: int) -> int:
        """1: Max-Forwards is less than max_value; -1: it is not, -2: absent, -3: no number."""
        try:
            found = self._value(ctx)
        except SipParseError:
            return -3
        if found is None:
            return -2
        return 1 if found[0] < max_value else -1


exports = Maxfwd
