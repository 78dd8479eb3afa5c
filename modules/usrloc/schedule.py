"""What is due when: expiry of contacts and the events that ask a sleeping device to refresh.

Both hang in lists per second, found through a heap of the seconds in use: adding costs an append, a run looks only at what
is due, however many contacts there are. A contact that is refreshed stays where it hangs; when its old second comes it is
hung where it belongs by then. So a contact is in one list at a time, however often its device registers.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from modules.usrloc.contact import Contact


class Seconds:
    """Contacts by second."""

    __slots__ = ("_lists", "_order")

    def __init__(self) -> None:
        self._lists: dict[int, list[Contact]] = {}
        self._order: list[int] = []

    def add(self, second: int, contact: Contact) -> None:
        """Hang a contact under a second."""
        found = self._lists.get(second)
        if found is None:
            self._lists[second] = [contact]
            heappush(self._order, second)
        else:
            found.append(contact)

    def take_until(self, now: int) -> Iterator[tuple[int, Contact]]:
        """Take off everything up to and including a second, in order, one by one: whoever stops loses nothing."""
        order, lists = self._order, self._lists
        while order and order[0] <= now:
            second = order[0]
            contacts = lists[second]
            contacts.reverse()
            while contacts:
                yield second, contacts.pop()
            # Somebody else may have come to the end of this second while we paused.
            if order and order[0] == second and not lists[second]:
                del lists[second]
                heappop(order)


class Expiry:
    """When contacts expire."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds = Seconds()

    def watch(self, contact: Contact) -> None:
        """Call after every change of contact.expires."""
        when = contact.expires
        if when == 0 or 0 < contact.listed <= when or contact.listed < 0:
            return
        contact.listed = when
        self._seconds.add(when, contact)

    @staticmethod
    def forget(contact: Contact) -> None:
        """The contact was removed."""
        contact.listed = -1

    def due(self, now: int) -> Iterator[Contact | None]:
        """The contacts that have expired by now, earliest first, and None for each that was looked at and lives on."""
        for second, contact in self._seconds.take_until(now):
            if contact.listed == second:
                contact.listed = 0
                if contact.expires == 0 or contact.expires > now:
                    self.watch(contact)
                else:
                    yield contact
                    continue
            yield None


class Refresh:
    """When contacts with push notification are asked to register again: lead seconds before they expire, once for each
    registration, or again and again until they do (again())."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds = Seconds()

    def watch(self, contact: Contact, lead: int) -> None:
        """Call after every registration of the contact."""
        if contact.expires == 0:
            contact.refresh_due = 0
            return
        # The second 0 means none.
        contact.refresh_due = max(1, contact.expires - lead)
        self._seconds.add(contact.refresh_due, contact)

    def again(self, contact: Contact, second: int) -> None:
        """Another event for the same registration, unless it has ended by then."""
        if second < contact.expires:
            contact.refresh_due = second
            self._seconds.add(second, contact)

    @staticmethod
    def forget(contact: Contact) -> None:
        """No event any more."""
        contact.refresh_due = 0

    def due(self, now: int) -> Iterator[Contact]:
        """The contacts whose event is due, earliest first; those that have expired meanwhile are left out."""
        for second, contact in self._seconds.take_until(now):
            if contact.refresh_due == second and contact.listed >= 0:
                contact.refresh_due = 0
                if contact.expires > now:
                    yield contact
