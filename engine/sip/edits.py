"""Recorded changes to a received message: what a script adds, removes and replaces before the message leaves.

Changes are kept as (start, end, text) in the order they were asked for and applied in one walk: at each place the texts come out
in call order, removed ranges are skipped. Reads of the message never see them. The offsets are those of Message.text: a header
line begins at Message.span(i)[0], appended headers go to Message.headers_end, the body starts at Message.body_start.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from engine.sip.headers import NameAddr
from engine.sip.message import Message

Change = tuple[int, int, str]
"""start, end, text: the range is left out (empty for a pure insertion) and the text put at its start."""
Late = tuple[int, Callable[[Any, Any], str]]
"""offset, call(ctx, socket): a text that is known only when the message leaves, because it names the socket it leaves by."""


in_place_order: Final = itemgetter(0)
"""Sort key of changes; sorting is stable, so those at one place keep the order they were asked for."""


def apply_changes(text: str, changes: list[Change], start: int, end: int) -> str:
    """text[start:end] with the changes made; those outside the range are not looked at by their position: filter them first."""
    out: list[str] = []
    at = start
    for begin, stop, insert in sorted(changes, key=in_place_order):
        if begin > at:
            out.append(text[at:begin])
            at = begin
        elif begin < at and begin < stop and insert:
            continue  # the text that it would replace has been left out or replaced already
        if insert:
            out.append(insert)
        if stop > at:
            at = stop
    if at < end:
        out.append(text[at:end])
    return "".join(out)


class Edits:
    """The changes of one message, or of one branch of it."""

    __slots__ = ("changes", "late", "body")

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.late: list[Late] = []
        self.body: str | None = None
        """The whole new body, None to keep the received one (with its own changes)."""

    def __bool__(self) -> bool:
        return bool(self.changes) or bool(self.late) or self.body is not None

    def insert(self, offset: int, text: str) -> None:
        """Put text in front of the character at offset; behind what was put there before."""
        self.changes.append((offset, offset, text))

    def remove(self, start: int, end: int) -> None:
        """Leave out text[start:end]. Insertions inside the range are kept."""
        self.changes.append((start, end, ""))

    def replace(self, start: int, end: int, text: str) -> None:
        """Put text in the place of text[start:end]."""
        self.changes.append((start, end, text))

    def replace_body(self, text: str) -> None:
        """Exchange the whole body; changes recorded for the old body no longer count. Content-Length follows by itself."""
        self.body = text

    def insert_late(self, offset: int, text: Callable[[Any, Any], str]) -> None:
        """Put text(ctx, socket) in front of the character at offset when the message leaves by a socket; behind what insert()
        puts there."""
        self.late.append((offset, text))

    def leaving(self, ctx: Any, socket: Any) -> "Edits":
        """These changes for a message that leaves by a socket: with the late texts in place."""
        if not self.late:
            return self
        made = self.copy()
        made.late = []
        made.changes.extend([(offset, offset, text(ctx, socket)) for offset, text in self.late])
        return made

    def copy(self) -> "Edits":
        """An independent copy, for a branch that gets changes of its own."""
        other = Edits()
        other.changes = self.changes.copy()
        other.late = self.late.copy()
        other.body = self.body
        return other

    def is_removed(self, start: int, end: int) -> bool:
        """Whether one recorded removal covers text[start:end]."""
        for begin, stop, _ in self.changes:
            if begin <= start and end <= stop and begin < stop:
                return True
        return False

    def touches_body(self, body_start: int) -> bool:
        """Whether the body will differ from the received one."""
        if self.body is not None:
            return True
        for begin, _, _ in self.changes:
            if begin >= body_start:
                return True
        return False

    def apply(self, text: str) -> str:
        """The text with all changes made; replace_body() is the builder's business and not part of this."""
        return apply_changes(text, self.changes, 0, len(text))

    # --- in terms of headers

    def append_header(self, msg: Message, line: str, after: str | None = None) -> bool:
        """Add a line (CRLF included) behind the last header, or behind the first one of the canonical name `after`.

        False, and nothing recorded, when there is no such header.
        """
        if after is None:
            self.insert(msg.headers_end, line)
            return True
        if after not in msg.names:
            return False
        self.insert(msg.span(msg.names.index(after))[1], line)
        return True

    def insert_header(self, msg: Message, line: str, before: str | None = None) -> bool:
        """Add a line (CRLF included) in front of all headers, or of the first one of the canonical name `before`."""
        if before is None:
            self.insert(msg.first_line_end, line)
            return True
        if before not in msg.names:
            return False
        self.insert(msg.span(msg.names.index(before))[0], line)
        return True

    def remove_header(self, msg: Message, i: int) -> None:
        """Leave out header line i."""
        start, end = msg.span(i)
        self.remove(start, end)

    def remove_values(self, msg: Message, items: list[NameAddr], chosen: list[int]) -> None:
        """Leave out some values of comma lists (items as from msg.routes or msg.contacts, chosen indexes into it).

        A header line that loses all its values goes as a whole; otherwise the separating comma goes with the value.
        """
        if len(items) == 1 and chosen:
            self.remove_header(msg, items[0].header)
            return
        wanted = set(chosen)
        lines: dict[int, list[int]] = {}
        for index, item in enumerate(items):
            lines.setdefault(item.header, []).append(index)
        for header, members in lines.items():
            going = [index for index in members if index in wanted]
            if not going:
                continue
            if len(going) == len(members):
                self.remove_header(msg, header)
                continue
            kept_before = False
            for place, index in enumerate(members):
                if index not in wanted:
                    kept_before = True
                elif kept_before:
                    self.remove(items[members[place - 1]].end, items[index].end)
                else:
                    self.remove(items[index].start, items[members[place + 1]].start)
