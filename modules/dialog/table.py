"""Where dialogs are found: by id, by Call-ID; and the wheel of seconds their lifetimes and pings hang on.

The id is that of OpenSIPS, so its tables can be taken over: the entry of a hash over the Call-ID, and a number within the entry
that starts anywhere. A request brings it along in the `did` parameter of its Route, so it is found by one look into a dict; the
Call-ID is asked only when there is none.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Final

from engine.transaction.key import from_reversed_hex, reversed_hex
from modules.dialog.cell import Dialog
from modules.shared.corehash import core_hash

_WORD: Final = 0xFFFFFFFF


def did_of(entry: int, ident: int) -> str:
    """$DLG_did of a dialog's numbers."""
    return f"{reversed_hex(entry)}.{reversed_hex(ident)}"


def numbers_of(did: str) -> tuple[int, int] | None:
    """(entry, number within it) of a $DLG_did; None when it is none."""
    first, dot, second = did.partition(".")
    entry, ident = from_reversed_hex(first), from_reversed_hex(second)
    return (entry, ident) if dot and entry is not None and ident is not None else None


class DialogTable:
    """All dialogs of the server."""

    def __init__(self, size: int) -> None:
        self.size = size
        """Entries of the hash, a power of 2."""
        self._by_did: dict[str, Dialog] = {}
        self._by_call: dict[str, list[Dialog]] = {}
        self._next: dict[int, int] = {}
        """Entry -> number of its next dialog; an entry begins anywhere."""

    def __len__(self) -> int:
        return len(self._by_did)

    def __iter__(self) -> Iterator[Dialog]:
        return iter(list(self._by_did.values()))

    def in_order(self) -> list[Dialog]:
        """All of them as OpenSIPS lists them: entry by entry, the oldest of an entry first."""
        return sorted(self._by_did.values(), key=lambda dialog: dialog.entry)

    def make(self, call_id: str, from_uri: str, to_uri: str) -> Dialog:
        """A new dialog, already in the table."""
        entry = core_hash(call_id.encode("latin-1", "replace"), self.size)
        ident = self._next.get(entry)
        if ident is None:
            ident = random.getrandbits(31)
        self._next[entry] = (ident + 1) & _WORD
        dialog = Dialog(entry, ident, did_of(entry, ident), call_id, from_uri, to_uri)
        self.add(dialog)
        return dialog

    def restore(self, db_id: int, call_id: str, from_uri: str, to_uri: str) -> Dialog:
        """A dialog with the id it had, already in the table."""
        entry, ident = db_id >> 32, db_id & _WORD
        dialog = Dialog(entry, ident, did_of(entry, ident), call_id, from_uri, to_uri)
        if self._next.get(entry, 0) <= ident:
            self._next[entry] = (ident + 1) & _WORD
        self.add(dialog)
        return dialog

    def add(self, dialog: Dialog) -> None:
        """Make it findable."""
        self._by_did[dialog.did] = dialog
        same = self._by_call.get(dialog.call_id)
        if same is None:
            self._by_call[dialog.call_id] = [dialog]
        else:
            same.append(dialog)

    def remove(self, dialog: Dialog) -> None:
        """Forget it."""
        if self._by_did.get(dialog.did) is dialog:
            del self._by_did[dialog.did]
        same = self._by_call.get(dialog.call_id)
        if same is not None and dialog in same:
            same.remove(dialog)
            if not same:
                del self._by_call[dialog.call_id]

    def get(self, did: str) -> Dialog | None:
        """By $DLG_did as it is written in a Route."""
        return self._by_did.get(did)

    def by_db_id(self, db_id: int) -> Dialog | None:
        """By the number in the database."""
        return self._by_did.get(did_of(db_id >> 32, db_id & _WORD))

    def of_call(self, call_id: str) -> Iterable[Dialog]:
        """All dialogs of a Call-ID, the oldest first."""
        return self._by_call.get(call_id, ())


class Seconds:
    """Dialogs by the second of something that is to happen to them. Taking one off leaves nothing behind, so a day's calls with
    a lifetime of twelve hours cost what lives, not what has ended."""

    __slots__ = ("_wheel", "_last")

    def __init__(self, now: int) -> None:
        self._wheel: dict[int, dict[Dialog, None]] = {}
        self._last = now

    def put(self, dialog: Dialog, second: int) -> int:
        """Hang a dialog on a second; one that has passed counts as the next. The second."""
        second = max(second, self._last + 1)
        bucket = self._wheel.get(second)
        if bucket is None:
            self._wheel[second] = {dialog: None}
        else:
            bucket[dialog] = None
        return second

    def take(self, dialog: Dialog, second: int) -> None:
        """Take it off again; no matter when it is not there."""
        bucket = self._wheel.get(second)
        if bucket is not None:
            bucket.pop(dialog, None)
            if not bucket:
                del self._wheel[second]

    def due(self, now: int) -> list[Dialog]:
        """Take off those whose second has come, in order."""
        found: list[Dialog] = []
        if now - self._last > 2 * len(self._wheel) + 10:
            for second in sorted(at for at in self._wheel if at <= now):
                found += self._wheel.pop(second)
        else:
            for second in range(self._last + 1, now + 1):
                bucket = self._wheel.pop(second, None)
                if bucket is not None:
                    found += bucket
        self._last = max(self._last, now)
        return found

    def __len__(self) -> int:
        return sum(map(len, self._wheel.values()))
