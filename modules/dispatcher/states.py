"""States of destinations: how they change, who hears of it.

A destination leaves service by ds_mark_dst(), MI, or because it does not answer pings. To probing it takes as many complaints as
ds_probing_threshold says; the count begins anew with a good answer.
"""

from __future__ import annotations

from typing import Any, Final

from engine.module import event, modparam
from modules.dispatcher.destinations import ACTIVE, INACTIVE, PROBING, Destination, DestinationSet
from modules.dispatcher.loading import GROUP, Loading
from modules.dispatcher.partitions import Partition

LETTERS: Final = {
    "i": INACTIVE, "I": INACTIVE, "0": INACTIVE, "a": ACTIVE, "A": ACTIVE, "1": ACTIVE, "p": PROBING, "P": PROBING, "2": PROBING,
}


def events_of(partition: Partition) -> str:
    """The status report identifier for changes of state."""
    return f"{partition.name};events"


class States(Loading):
    """The module's states."""

    ds_probing_threshold = modparam(int, 3, min=1, help="complaints after which a destination is probed instead of used")
    ds_probing_threshhold = modparam(int, None, min=1, help="the same, as it was spelled once")

    E_DISPATCHER_STATUS = event("group", "address", "status", "reason")

    default_partition: Partition | None

    def set_state(self, partition: Partition, group: DestinationSet, one: Destination, state: int, reason: str) -> None:
        """Bring a destination into a state, or one complaint nearer to probing. A change raises E_DISPATCHER_STATUS."""
        if state == PROBING and one.state != INACTIVE:
            threshold = self.ds_probing_threshhold or self.ds_probing_threshold
            one.failures = min(one.failures + 1, threshold)
            if one.failures < threshold:
                return
        if state == one.state:
            return
        one.state = state
        one.dirty = True
        group.recount()
        shown = "active" if state == ACTIVE else "inactive"
        self.server.status_reports.report(
            GROUP, f"DESTINATION <{one.uri}>, set {group.id} switched to [{shown}] due to {reason}\n", events_of(partition))
        if self.E_DISPATCHER_STATUS.active:
            params: dict[str, str | int | None] = {} if partition is self.default_partition else {"partition": partition.name}
            params.update(group=group.id, address=one.uri, status=shown, reason=reason)
            published: Any = self.E_DISPATCHER_STATUS
            published.publish(params)

    def find_destination(self, partition: Partition, set_id: int, address: str) -> tuple[DestinationSet, Destination] | None:
        """A destination by set and URI, None without one."""
        group = partition.data.sets.get(set_id)
        if group is None:
            self.log.error("destination set [%d] not found in partition [%s]", set_id, partition.name)
            return None
        one = group.find(address)
        return None if one is None else (group, one)
