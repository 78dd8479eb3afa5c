"""What is due when: expiry of contacts and the events that ask a sleeping device to refresh.

Both hang in lists per second, found through a heap of the seconds in use: adding costs an append, a run looks only at what
is due, however many contacts there are. A contact that is refreshed stays where it hangs; when its old second comes it is
hung where it belongs by then. So a contact is in one list at a time, however often its device registers.
"""

from __future__ import annotations

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

    def pop_until(self, now: int) -> list[tuple[int, list[Contact]]]:
        """Take off everything up to and including a second, in order."""
        taken = []
        while self._order and self._order[0] <= now:
            second = heappop(self._order)
            taken.append((second, self._lists.pop(second)))
        return taken


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

    def due(self, now: int) -> list[Contact]:
        """The contacts that have expired by now, earliest first."""
        found = []
        for second, contacts in self._seconds.pop_until(now):
            for contact in contacts:
                if contact.listed != second:
                    continue
                contact.listed = 0
                if contact.expires == 0 or contact.expires > now:
                    self.watch(contact)
                else:
                    found.append(contact)
        return found


class Refresh:
    """When contacts with push notification are asked to register again: lead seconds before they expire, once for each
    registration."""

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

    @staticmethod
    def forget(contact: Contact) -> None:
        """No event any more."""
        contact.refresh_due = 0

    def due(self, now: int) -> list[Contact]:
        """The contacts whose event is due, earliest first; those that have expired meanwhile are left out."""
        found = []
        for second, contacts in self._seconds.pop_until(now):
            for contact in contacts:
                if contact.refresh_due == second and contact.listed >= 0:
                    contact.refresh_due = 0
                    if contact.expires > now:
                        found.append(contact)
        return found
