"""From the table to memory and back: rows become destinations, changed states are written every 30 seconds and at the end."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any, Final

from engine import status
from engine.db.interface import Connection, Where, check_version, find_driver
from engine.errors import ConfigError, DbError, SipParseError
from engine.module import Module, modparam
from engine.sip.uri import SipUri, parse_uri
from engine.transport.address import DEFAULT_PORTS, Target, plain_ip
from engine.transport.blacklists import Rule
from modules.dispatcher.destinations import ACTIVE, Data, Destination
from modules.dispatcher.partitions import Partition

TABLE_VERSION: Final = 9
GROUP: Final = "dispatcher"
FLUSH_PERIOD: Final = 30.0
MAX_ADDRESSES: Final = 32
"""Addresses kept of one destination."""
Row = tuple[Any, ...]


class Loading(Module):
    """The module's database side."""

    setid_col = modparam(str, "setid", help="column of the set's number")
    destination_col = modparam(str, "destination", help="column of the SIP URI")
    state_col = modparam(str, "state", help="column of the state: 0 active, 1 inactive, 2 probing")
    weight_col = modparam(str, "weight", help="column of the weight")
    priority_col = modparam(str, "priority", help="column of the priority, higher ones first")
    attrs_col = modparam(str, "attrs", help="column of the attributes")
    socket_col = modparam(str, "socket", help="column of the socket to send by")
    probe_mode_col = modparam(str, "probe_mode", help="column of the probe mode: 1 pings whatever the state")
    description_col = modparam(str, "description", help="column of the description")

    partitions: dict[str, Partition]

    async def connect(self, partition: Partition) -> Connection:
        """A connection to a partition's database."""
        driver, url = find_driver(self.server.registry, partition.url)
        return await driver.connect(url)

    async def load_first(self, partition: Partition) -> None:
        """At start: the table must be there and of the right version. Raises ConfigError."""
        try:
            connection = await self.connect(partition)
            try:
                await check_version(connection, partition.table, TABLE_VERSION)
            finally:
                await connection.close()
        except DbError as error:
            raise ConfigError(f"dispatcher: partition {partition.name}: {error}") from None
        if not await self.load(partition, first=True):
            raise ConfigError(f"dispatcher: partition {partition.name}: the table {partition.table} cannot be read")

    async def load(self, partition: Partition, *, first: bool = False, inherit: bool = True) -> bool:
        """Read the table; False (logged): it could not be read, what was there stays. inherit: states stay as they are."""
        reports, name = self.server.status_reports, partition.name
        if first:
            reports.set(GROUP, status.NOT_READY, "startup data loading", name)
        else:
            reports.set(GROUP, status.RELOADING, "data re-loading", name)
        reports.report(GROUP, "starting DB data loading", name)
        columns = [
            self.setid_col, self.destination_col, self.socket_col, self.weight_col, self.attrs_col, self.priority_col,
            self.description_col, self.probe_mode_col,
        ]
        if partition.persistent:
            columns.append(self.state_col)
        try:
            connection = await self.connect(partition)
            try:
                rows = await connection.query(partition.table, columns)
            finally:
                await connection.close()
        except DbError as error:
            self.log.error("failed to load the new data of partition %s, dropping the reload: %s", name, error)
            reports.report(GROUP, "DB data loading failed, discarding", name)
            if first:
                reports.set(GROUP, status.NO_DATA, "no data loaded", name)
            else:
                reports.set(GROUP, status.READY, "data available", name)
            return False
        found = [one for one in await asyncio.gather(*[self._read(row) for row in rows]) if one is not None]
        if not found:
            self.log.warning("no record loaded from db, running on empty sets")
        # No await from here on: a state that changes meanwhile would be lost.
        made = Data(found)
        if inherit:
            made.inherit(partition.data)
        partition.data = made
        self._fill_blacklists(partition)
        reports.report(GROUP, "DB data loading successfully completed", name)
        reports.report(GROUP, f"{len(found)} destinations loaded ({len(rows) - len(found)} discarded)", name)
        reports.set(GROUP, status.READY, "data available", name)
        return True

    async def _read(self, row: Row) -> tuple[int, Destination] | None:
        """(set, destination) of a row; None (logged): it is no good."""
        set_id, text, socket_text, weight, attrs, priority, description, probe_mode = row[:8]
        state = row[8] if len(row) > 8 else ACTIVE
        try:
            if set_id is None or not text:
                raise ValueError("a column that must not be empty is")
            uri = parse_uri(str(text))
            targets = await self._resolve(uri)
            if not targets:
                raise ValueError(f"could not resolve {uri.host}")
            number = int(state or 0)
            if number not in (0, 1, 2):
                self.log.error("unknown state %s of destination %s, taken for active", state, text)
                number = ACTIVE
            made = Destination(
                uri, targets, state=number, permanent=int(probe_mode or 0) == 1, weight=_weight(weight),
                priority=int(priority or 0), attrs=str(attrs or ""), description=str(description or ""),
                socket=self._socket(str(socket_text or "")),
            )
            return int(set_id), made
        except (ValueError, SipParseError) as error:
            self.log.warning("failed to add destination <%s> in group %s: %s", text, set_id, error)
            return None

    async def _resolve(self, uri: SipUri) -> list[Target]:
        """The addresses of a destination."""
        ip = plain_ip(uri.host)
        if ip is not None:
            return [Target(uri.proto, ip, uri.port or DEFAULT_PORTS.get(uri.proto, 5060))]
        if not uri.host:
            return []
        found: list[Target] = await self.server.resolver.locate(
            uri.host, uri.port or 0, uri.proto, bool(uri.transport), uri.scheme == "sips")
        return found[:MAX_ADDRESSES]

    def _socket(self, text: str) -> Any:
        if not text:
            return None
        found = self.server.sockets.find(text)
        if found is None:
            self.log.error("socket <%s> is not one we listen on, ignoring it", text)
        return found

    def _fill_blacklists(self, partition: Partition) -> None:
        """The blacklists made of sets have the addresses of the destinations there are now."""
        for definition in partition.blacklists:
            targets = {
                target: None for number in definition.sets if (found := partition.data.sets.get(number)) is not None
                for destination in found.destinations for target in destination.targets
            }
            self.server.blacklists.lists[definition.name].rules = [
                Rule(ipaddress.ip_network(target.ip), target.proto, target.port) for target in targets
            ]

    async def flush(self) -> None:
        """Write the states that changed."""
        for partition in self.partitions.values():
            changed = [
                (found, destination) for found in partition.data.sets.values() for destination in found.destinations
                if destination.dirty
            ] if partition.persistent else []
            if not changed:
                continue
            try:
                connection = await self.connect(partition)
                try:
                    for found, destination in changed:
                        written = destination.state
                        where = [Where(self.setid_col, "=", found.id), Where(self.destination_col, "=", destination.uri)]
                        await connection.update(partition.table, {self.state_col: written}, where)
                        # It may have changed once more while we waited.
                        destination.dirty = destination.state != written
                finally:
                    await connection.close()
            except DbError as error:
                self.log.error("cannot write states of partition %s: %s", partition.name, error)


def _weight(value: Any) -> int:
    """A weight: a number; 1 for the address of a FreeSWITCH. Raises ValueError."""
    if value is None or str(value).strip() == "":
        return 1
    if str(value).startswith("fs://"):
        return 1
    number = int(value)
    if number < 0:
        raise ValueError(f"the weight {number} is negative")
    return number
