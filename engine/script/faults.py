"""What a statement leaves behind when something in a message could not be read: the `$(err.*)` of an error_route.

Reading a broken header is no exception to the script: the variable is NULL, the statement goes on, and behind it the
error_route (when there is one) runs with these values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.errors import SipParseError

if TYPE_CHECKING:
    from engine.script.context import Context

PARSER: Final = 1
ASSERT: Final = 4
CRITICAL: Final = 1
MEDIUM: Final = 3

# Names of the parts that OpenSIPS spells in its own way, stray characters included, because scripts compare with them.
_INFO: Final[dict[str, tuple[str, str]]] = {
    "CSeq": ("error parsing CSeq`", "bad CSeq header"),
    "Via": ("error parsing Via", "bad Via header"),
    "r-uri": ("error parsing r-uri", "bad r-uri"),
    "Content-Length": ("error parsing Content-Length", "bad Content-Length header"),
    "From": ("error parsing From header", "bad header"),
    "To": ("error parsing To header", "bad header"),
    "From uri": ("error parsing From uri", "bad From uri"),
    "To uri": ("error parsing To uri", "bad To uri"),
    "Contact": ("error parsing CONTACT headers", "bad headers"),
    "header": ("error parsing headers", "bad headers"),
}


class ScriptFault:
    """A pending error: class (1 parser, 4 assert), level (1 critical, 3 medium), text, and the reply one might give."""

    __slots__ = ("kind", "level", "info", "code", "reason")

    def __init__(self, kind: int, level: int, info: str, code: int, reason: str) -> None:
        self.kind = kind
        self.level = level
        self.info = info
        self.code = code
        self.reason = reason


def parse_fault(part: str) -> ScriptFault:
    """The fault for a part of the message that could not be read ("From", "r-uri", "CSeq" ...); $err.rcode is always 400."""
    info, reason = _INFO.get(part, (f"error parsing {part} header", "bad header"))
    return ScriptFault(PARSER, MEDIUM, info, 400, reason)


def note_fault(ctx: Context, part: str, error: SipParseError | None = None) -> None:
    """Log that a part of the message is broken and leave the fault for the error_route."""
    ctx.error = parse_fault(part)
    if part == "r-uri":
        ctx.server.stats.counter("core", "bad_URIs_rcvd").inc()
    ctx.server.log.error("bad %s in the message%s", part, f": {error.message}" if error is not None else "")
