"""Which destination of a set: the algorithms of ds_select_dst(), as functions of a set and a number.

A hash picks by weight among all destinations; when it hits one that is not active, it picks again among the active ones. So as
long as nothing fails the same caller meets the same destination, and a failure moves only those who had the failed one.
"""

from __future__ import annotations

from bisect import bisect_right

from engine.sip.uri import DEFAULT_PORTS, SipUri
from modules.dispatcher.destinations import ACTIVE, DestinationSet
from modules.shared.corehash import finished, mixed

CALL_ID, FROM_URI, TO_URI, REQUEST_URI, ROUND_ROBIN, AUTH_USER, RANDOM, VARIABLES, FIRST, LOAD, ROUTE = range(11)


def text_hash(first: str, second: str = "") -> int:
    """The hash of two texts, never 0. It is the reference's, so two servers that share a table agree."""
    found = mixed(first.encode("latin-1", "replace"))
    if second:
        found += mixed(second.encode("latin-1", "replace"))
    return finished(found) or 1


def uri_hash(uri: SipUri, user_only: bool) -> int:
    """The hash of user and host, with the port unless it is the default one; user_only: of the user."""
    user = uri.user or ""
    if user_only:
        return text_hash(user)
    has_port = uri.port is not None and uri.port != DEFAULT_PORTS.get(uri.proto)
    return text_hash(user, uri.hostport if has_port else uri.host)


def _by_weight(group: DestinationSet, size: int, number: int) -> int:
    """The place a number falls on among the first `size` destinations."""
    total = group.sums[size - 1]
    return bisect_right(group.sums, number % total, 0, size) if total else number % size


def _active_by_weight(group: DestinationSet, size: int, number: int) -> int | None:
    """The same among the active ones of them; None when there is none."""
    total = group.active_sums[size - 1]
    if total:
        return bisect_right(group.active_sums, number % total, 0, size)
    places = [at for at in range(size) if group.destinations[at].state == ACTIVE]
    return places[number % len(places)] if places else None


def next_turn(group: DestinationSet, size: int) -> int:
    """Round robin: the last one again until it had as many turns in a row as it weighs, then the next."""
    last = group.destinations[group.last]
    if last.streak < last.weight:
        return group.last
    last.streak = 0
    return (group.last + 1) % size


def settle(group: DestinationSet, candidate: int | None, number: int, use_default: bool) -> int | None:
    """The place of the active destination to use, None without one.

    candidate: the place the algorithm wants, None: the one `number`, a hash, falls on. use_default: the last destination of the
    set is for when all others are gone.
    """
    count = len(group.destinations)
    size = count - 1 if use_default and count > 1 else count
    wanted = _by_weight(group, size, number) if candidate is None else candidate
    if group.destinations[wanted].state == ACTIVE:
        return wanted
    if number:
        found = _active_by_weight(group, size, number)
    else:
        turns = ((wanted + step) % size for step in range(1, size + 1))
        found = next((at for at in turns if group.destinations[at].state == ACTIVE), None)
    if found is None and use_default and group.destinations[-1].state == ACTIVE:
        return count - 1
    return found
