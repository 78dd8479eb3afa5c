"""Pings: destinations that are out of service, or all of them, are asked at intervals whether they answer."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from engine.module import modparam, wants
from modules.dispatcher.destinations import ACTIVE, INACTIVE, PROBING, Destination, DestinationSet
from modules.dispatcher.partitions import Partition
from modules.dispatcher.states import States
from modules.tm.api import Tm

PING_CSEQ: Final = 14
"""CSeq of every ping, as the reference sends it."""
DEFAULT_MAX_FORWARDS: Final = 70


def reply_codes(text: str) -> frozenset[int]:
    """"501, 403". Raises ValueError."""
    found = frozenset(int(piece) for piece in text.split(","))
    bad = [code for code in found if not 100 <= code <= 699]
    if bad:
        raise ValueError(f"{bad[0]} is no SIP reply code")
    return found


def set_numbers(text: str) -> frozenset[int]:
    """"1,2,3". Raises ValueError."""
    return frozenset(int(piece) for piece in text.split(","))


class Probing(States):
    """The module's pings."""

    tm: Tm | None = wants("tm")
    ds_ping_method = modparam(str, "OPTIONS", help="method of the pings")
    ds_ping_from = modparam(str, "sip:dispatcher@localhost", help="URI in the From header of the pings")
    ds_ping_interval = modparam(int, 0, min=0, help="seconds between two pings; 0: no pings")
    ds_ping_maxfwd = modparam(int, -1, min=-1, max=255, help="Max-Forwards of the pings; -1: what tm puts there")
    ds_probing_sock = modparam(str, "", help="socket the pings go out by")
    ds_probing_mode = modparam(int, 0, min=0, max=1, help="0: those in state probing are pinged, 1: all that are not inactive")
    ds_probing_list = modparam(str, frozenset(), parse=set_numbers, help="numbers of the sets that are pinged; all without it")
    options_reply_codes = modparam(str, frozenset(), parse=reply_codes, help="good answers to a ping besides 200")

    probing_socket: Any

    def ping_all(self) -> None:
        """One round of pings. Each is made in a run of its own: a name that DNS is slow about holds up nobody."""
        for partition in self.partitions.values():
            for group in partition.data.sets.values():
                if self.ds_probing_list and group.id not in self.ds_probing_list:
                    continue
                for one in group.destinations:
                    if one.state == PROBING or (one.state == ACTIVE and (one.permanent or self.ds_probing_mode)):
                        self.server.defer(partial(self._ping, partition, group.id, one))

    def _ping(self, partition: Partition, set_id: int, one: Destination) -> None:
        assert self.tm is not None
        avps = {partition.avps.attrs: [one.attrs]} if partition.avps.attrs else None
        always = bool(self.ds_probing_mode or one.permanent)
        sent = self.tm.local_request(
            partition.ping_method or self.ds_ping_method, one.uri, f"<{partition.ping_from or self.ds_ping_from}>",
            f"<{one.uri}>", socket=one.socket or partition.ping_socket or self.probing_socket, cseq=PING_CSEQ, avps=avps,
            max_forwards=DEFAULT_MAX_FORWARDS if self.ds_ping_maxfwd < 0 else self.ds_ping_maxfwd,
            done=partial(self._answered, partition, set_id, one.uri, always),
        )
        if sent is None:
            self.log.error("failed to send a ping to <%s>, set %d", one.uri, set_id)
            self._judge(partition, set_id, one.uri, False, "failed to send probe")

    def _answered(self, partition: Partition, set_id: int, uri: str, always: bool, code: int, response: Any) -> None:
        """The final answer to a ping; 408 when none came."""
        if code < 200:
            return
        good = code in self.options_reply_codes
        if code == 200 or good:
            self._judge(partition, set_id, uri, True, "200 OK probing reply")
        if always and code != 200 and (code == 408 or not good):
            self._judge(partition, set_id, uri, False, "negative probing reply")

    def _judge(self, partition: Partition, set_id: int, uri: str, good: bool, reason: str) -> None:
        """What an answer means for the destination, if it is still there and nobody took it out of service meanwhile."""
        found: tuple[DestinationSet, Destination] | None = self.find_destination(partition, set_id, uri)
        if found is None or found[1].state == INACTIVE:
            return
        group, one = found
        if good:
            one.failures = 0
        self.set_state(partition, group, one, ACTIVE if good else PROBING, reason)
