"""MI commands of dispatcher: ds_set_state, ds_list, ds_reload, ds_push_script_attrs."""

from __future__ import annotations

from typing import Any

from engine.errors import MiError
from engine.module import mi_command
from engine.transport.address import plain_ip
from modules.dispatcher.destinations import STATE_NAMES, Destination
from modules.dispatcher.functions import Functions
from modules.dispatcher.partitions import Partition
from modules.dispatcher.states import LETTERS


class Commands(Functions):
    """The module's MI commands."""

    def _named(self, name: str, code: int) -> Partition:
        found = self.partitions.get(name) if name else self.default_partition
        if found is None:
            raise MiError(code, "ERROR Unknown partition")
        return found

    @mi_command("ds_set_state", help="puts a destination into a state: a active, i inactive, p probing")
    def mi_set_state(self, state: str, group: str, address: str) -> None:
        """group: a set, or partition:set. 500: bad state or group; 404: unknown partition, destination not found."""
        wanted = LETTERS.get(state[:1])
        if wanted is None:
            raise MiError(500, "Bad state value")
        name, colon, number = group.rpartition(":")
        partition = self._named(name.strip() if colon else "", 404)
        try:
            set_id = int(number)
        except ValueError:
            raise MiError(500, "bad group value") from None
        found = self.find_destination(partition, set_id, address)
        if found is None:
            raise MiError(404, "destination not found")
        self.set_state(partition, *found, wanted, "MI command")

    @mi_command(
        "ds_list", help="lists sets and destinations; full: with weight, priority and description",
        recipes=[[], ["partition"], ["full"], ["full", "partition"]],
    )
    def mi_list(self, full: int = 0, partition: str | None = None) -> dict[str, Any]:
        """{"PARTITIONS": [{"name", "SETS": [{"id", "Destinations": [...]}]}]}; 500: unknown partition."""
        wanted = list(self.partitions.values()) if partition is None else [self._named(partition, 500)]
        return {"PARTITIONS": [_shown(one, bool(full)) for one in wanted]}

    @mi_command(
        "ds_reload", help="reads one partition or all again; inherit_state n: states too",
        recipes=[[], ["inherit_state"], ["partition"], ["partition", "inherit_state"]],
    )
    async def mi_reload(self, partition: str | None = None, inherit_state: str = "y") -> None:
        """500: unknown partition, or a table that cannot be read; what it had stays."""
        inherit = inherit_state not in ("n", "N", "0")
        for one in list(self.partitions.values()) if partition is None else [self._named(partition, 500)]:
            if not await self.load(one, inherit=inherit):
                raise MiError(500, "ERROR Reloading data")

    @mi_command("ds_push_script_attrs", help="gives the destinations at an address a text for scripts")
    def mi_push_script_attrs(self, attrs: str, ip: str, port: int, set: int, partition: str = "") -> None:
        """500: no text; 404: unknown partition, bad address."""
        if not attrs:
            raise MiError(500, "Bad attrs value")
        chosen = self._named(partition, 404)
        address = plain_ip(ip)
        if address is None:
            raise MiError(404, "destination not found")
        self.push_script_attrs(chosen, attrs, address, port, set)


def _shown(partition: Partition, full: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": partition.name}
    if partition.data.sets:
        shown["SETS"] = [
            {"id": group.id, "Destinations": [_destination(one, full) for one in group.destinations]}
            for group in partition.data.sets.values()
        ]
    return shown


def _destination(one: Destination, full: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"URI": one.uri, "state": STATE_NAMES[one.state], "first_hit_counter": one.hits}
    if one.socket is not None:
        shown["socket"] = one.socket.name
    if one.attrs:
        shown["attr"] = one.attrs
    if one.script_attrs is not None:
        shown["script_attr"] = one.script_attrs
    if full:
        shown["weight"] = one.weight
        shown["priority"] = one.priority
        if one.description:
            shown["description"] = one.description
    shown["resolved_addresses"] = [f"{target.ip}:{target.port}" for target in one.targets]
    return shown
