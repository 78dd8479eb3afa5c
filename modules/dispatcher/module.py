"""The module itself: general parameters, and the partitions made of them."""

from __future__ import annotations

from typing import Any

from engine import status
from engine.db.interface import find_driver
from engine.errors import ConfigError
from engine.module import modparam
from engine.script.script import Script
from modules.dispatcher.loading import FLUSH_PERIOD, GROUP
from modules.dispatcher.mi import Commands
from modules.dispatcher.partitions import (
    AVPS, DEFAULT, AvpNames, BlacklistOf, Definition, Partition, parse_blacklist, parse_partition, switch,
)
from modules.dispatcher.states import events_of


def no_cluster(value: int) -> int:
    """cluster_id: there is no clusterer module to share states through."""
    if value:
        raise ConfigError("cluster_id needs the clusterer module, which this server does not have")
    return value


def no_freeswitch(value: int) -> int:
    """fetch_freeswitch_stats: there is no freeswitch module to ask for weights."""
    if value:
        raise ConfigError("fetch_freeswitch_stats needs the freeswitch module, which this server does not have")
    return value


class Dispatcher(Commands):
    """The module."""

    partition = modparam(str, None, multi=True, parse=parse_partition, help="name: db_url=...; table_name=...; ...")
    db_url = modparam(str, "", help="database of partitions that name none")
    table_name = modparam(str, "dispatcher", help="table of partitions that name none")
    dst_avp = modparam(str, "", help="AVP of the destinations that come next, $avp(ds_dst_failover)")
    grp_avp = modparam(str, "", help="AVP of the number of the set, $avp(ds_grp_failover)")
    cnt_avp = modparam(str, "", help="AVP of the number of destinations, $avp(ds_cnt_failover)")
    sock_avp = modparam(str, "", help="AVP of their sockets, $avp(ds_sock_failover)")
    attrs_avp = modparam(str, "", help="AVP for the attributes of the destination in use; none without it")
    script_attrs_avp = modparam(str, "", help="AVP for the attributes scripts gave it; none without it")
    persistent_state = modparam(int, 1, min=0, max=1, help="1: states are read from the table and written back")
    ds_define_blacklist = modparam(
        str, None, multi=True, parse=parse_blacklist, help="name = sets whose addresses are on the list")
    fetch_freeswitch_stats = modparam(int, 0, parse=no_freeswitch, help="weights from FreeSWITCH: not here")
    max_freeswitch_weight = modparam(int, 100, effect="weights do not come from FreeSWITCH")
    cluster_id = modparam(int, 0, parse=no_cluster, help="sharing states in a cluster: not here")
    cluster_sharing_tag = modparam(str, "", effect="states are not shared in a cluster")
    cluster_probing_mode = modparam(
        str, "all", choices=("all", "by-shtag", "distributed"), effect="there is no cluster to divide the pings among")

    def mod_init(self) -> None:
        self.partitions = {}
        self.default_partition: Partition | None = None
        self.probing_socket: Any = None
        self._flushing = False
        self.bind_variables()
        if self.ds_ping_interval and self.tm is None:
            raise ConfigError(
                "dispatcher: ds_ping_interval needs module tm, but it was not loaded!", hint='add loadmodule "tm.so"')
        definitions: dict[str, Definition] = {}
        default_name = DEFAULT
        for line in self.partition:
            if line.default:
                default_name = line.default
                continue
            known = definitions.setdefault(line.name, Definition(line.name, {}, [], ""))
            known.properties.update(line.properties)
            known.blacklists.extend(line.blacklists)
        self._make_all(definitions, default_name)
        self.default_partition = self.partitions.get(default_name)
        if default_name != DEFAULT and self.default_partition is None:
            raise ConfigError(f"dispatcher: partition '{default_name}' is not defined")
        if not self.partitions:
            raise ConfigError(
                "dispatcher: no partition has a database", hint='write modparam("dispatcher", "db_url", "sqlite:///...")')

    def _make_all(self, definitions: dict[str, Definition], default_name: str) -> None:
        """The partitions: those with names, then the default one, unless another one takes its part or it has no database."""
        general = definitions.pop(DEFAULT, Definition(DEFAULT, {}, [], ""))
        url = general.properties.get("db_url") or self.db_url or self.server.settings.db_default_url
        general.properties.update({"db_url": url} if url else {})
        for key in ("table_name", *AVPS):
            general.properties.setdefault(key, getattr(self, key))
        for definition in definitions.values():
            self._make(definition, general.properties, [parse_blacklist(text) for text in definition.blacklists])
        blacklists = [*self.ds_define_blacklist, *(parse_blacklist(text) for text in general.blacklists)]
        if default_name == DEFAULT and url:
            self._make(general, general.properties, blacklists)
        elif blacklists:
            raise ConfigError("dispatcher: ds_define_blacklist is about the default partition, which does not exist")

    def _make(self, definition: Definition, general: dict[str, str], blacklists: list[BlacklistOf]) -> None:
        name, own = definition.name, definition.properties
        url = own.get("db_url") or general.get("db_url")
        if not url:
            raise ConfigError(f"dispatcher: partition {name!r} has no 'db_url'")
        find_driver(self.server.registry, url)
        suffix = "" if name == DEFAULT else name
        persistent = own.get("persistent_state") or general.get("persistent_state")
        made = self.partitions[name] = Partition(
            name, url, own.get("table_name") or general["table_name"], AvpNames(self.binder, own, general, suffix),
            switch(persistent) if persistent else bool(self.persistent_state),
            own.get("ping_from") or general.get("ping_from", ""), own.get("ping_method") or general.get("ping_method", ""),
            own.get("ping_sock") or general.get("ping_sock", ""), blacklists,
        )
        lists = self.server.blacklists
        for blacklist in blacklists:
            if blacklist.name in lists.lists:
                raise ConfigError(f"dispatcher: there is a blacklist {blacklist.name} already")
            lists.define(blacklist.name, owner="dispatcher")
        reports = self.server.status_reports
        reports.register(GROUP, name, status.NO_DATA, "no data loaded", 20)
        reports.register(GROUP, events_of(made), status.READY, "", 200)

    def _socket_named(self, text: str) -> Any:
        found = self.server.sockets.find(text) if text else None
        if text and found is None:
            raise ConfigError(f"dispatcher: socket <{text}> is not one we listen on")
        return found

    async def child_init(self) -> None:
        self.probing_socket = self._socket_named(self.ds_probing_sock)
        for partition in self.partitions.values():
            partition.ping_socket = self._socket_named(partition.ping_sock)
            await self.load_first(partition)
        if self.ds_ping_interval:
            self.server.timers.every(self.ds_ping_interval, self.ping_all)
        if any(partition.persistent for partition in self.partitions.values()):
            self.server.timers.every(FLUSH_PERIOD, self._flush_in_turn)

    def cfg_validate(self, script: Script) -> None:
        if self.algo_route and self.algo_route not in script.routes:
            self.log.warning("algorithm route <%s> not found, algorithm 10 fails until there is one", self.algo_route)

    def _flush_in_turn(self) -> None:
        """The periodic flush, in a run of its own; left out while a slow database is still busy with the last one."""
        if self._flushing:
            return
        self._flushing = True
        try:
            self.server.workers.wait(self.flush())
        finally:
            self._flushing = False

    async def destroy(self) -> None:
        await self.flush()
