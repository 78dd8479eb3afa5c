"""Headers whose value is a list of options (Supported, Require, Allow ...): has, add and remove one option."""

from __future__ import annotations

from engine.module import Context, function
from engine.sip.names import canonical
from modules.sipmsgops.headers import MESSAGE_ROUTES


def options(value: str) -> list[tuple[str, int, int]]:
    """(option, start, end) of each option of a comma list; the offsets are those of the bare word in value."""
    found = []
    start = 0
    for part in value.split(","):
        word = part.strip()
        if word:
            at = start + part.index(word)
            found.append((word, at, at + len(word)))
        start += len(part) + 1
    return found


class ListHeaderFunctions:
    """The functions of this topic."""

    @function(MESSAGE_ROUTES, hdr=canonical)
    def list_hdr_has_option(self, ctx: Context, hdr: str, option: str) -> bool:
        """Is the option in any header of that name? Case ignored. 1 / -1."""
        wanted = option.lower()
        return any(
            word.lower() == wanted for value in ctx.msg.header_values(hdr) for word, _, _ in options(value)
        )

    @function(MESSAGE_ROUTES, hdr=canonical)
    def list_hdr_add_option(self, ctx: Context, hdr: str, option: str) -> int:
        """Add the option to the first header of that name unless it is in there. 1; -1 when there is no such header."""
        msg = ctx.msg
        places = msg.positions(hdr)
        if not places:
            return -1
        if self.list_hdr_has_option(ctx, hdr, option):
            return 1
        start, end = msg.span(places[0])
        line = msg.text[start:end].rstrip()
        separator = ", " if msg.value(places[0]).strip() else ""
        ctx.new_edits().insert(start + len(line), separator + option)
        return 1

    @function(MESSAGE_ROUTES, hdr=canonical)
    def list_hdr_remove_option(self, ctx: Context, hdr: str, option: str) -> int:
        """Remove the option; a header left empty goes too. 1; -1 when it was not there."""
        msg = ctx.msg
        wanted = option.lower()
        for place in msg.positions(hdr):
            start, end = msg.span(place)
            line = msg.text[start:end]
            base = line.index(":") + 1
            value = line[base:].rstrip("\r\n")
            words = options(value)
            for i, (word, at, stop) in enumerate(words):
                if word.lower() != wanted:
                    continue
                edits = ctx.new_edits()
                if len(words) == 1:
                    edits.remove(start, end)
                elif i == 0:
                    edits.remove(start + base + at, start + base + words[1][1])
                else:
                    edits.remove(start + base + words[i - 1][2], start + base + stop)
                return 1
        return -1
