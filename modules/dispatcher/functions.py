"""Script functions of dispatcher that work with what was chosen: the next one, states, lists, attributes given by scripts."""

from __future__ import annotations

from typing import Annotated, Final

from engine.module import (
    ALL_ROUTES, BRANCH, EVENT, FAILURE, LOCAL, ONREPLY, REQUEST, TIMER, Context, ScriptError, Value, Var, function,
)
from engine.transport.address import plain_ip
from modules.dispatcher.destinations import ACTIVE, INACTIVE, PROBING
from modules.dispatcher.partitions import Partition
from modules.dispatcher.selecting import Selecting
from modules.dispatcher.states import LETTERS
from modules.shared.glob import matches_glob
from modules.shared.output import put

ALL_SETS: Final = -1
_MARKED: Final = "script function ds_mark()"


def parse_filter(text: str) -> frozenset[int]:
    """Fixup of ds_count(): the states that count; other letters mean nothing, none at all: every state."""
    found = frozenset(LETTERS[letter] for letter in text if letter in LETTERS)
    return found or frozenset((ACTIVE, INACTIVE, PROBING))


class Functions(Selecting):
    """The functions that work with what was chosen."""

    @function(REQUEST | FAILURE, partition="partition_of")
    def ds_next_dst(self, ctx: Context, partition: Annotated[Partition, "str"] | None = None) -> int:
        """Make the next destination of the failover list $du. 1; -1: none is left, or there is no list."""
        return self._next(ctx, self.partition_or_default(partition), False)

    @function(REQUEST | FAILURE, partition="partition_of")
    def ds_next_domain(self, ctx: Context, partition: Annotated[Partition, "str"] | None = None) -> int:
        """As ds_next_dst(), but host, port and parameters of the Request-URI become those of the destination."""
        return self._next(ctx, self.partition_or_default(partition), True)

    def _next(self, ctx: Context, partition: Partition, domain: bool) -> int:
        names, avps = partition.avps, ctx.avps
        if not _pop(avps, names.dst)[0]:
            return -1
        for name in (names.attrs, names.script_attrs):
            if name:
                _pop(avps, name)
        left = avps.get(names.dst)
        if not left or not isinstance(left[-1], str):
            return -1
        uri = str(left[-1])
        _, socket_name = _pop(avps, names.sock)
        socket = self.server.sockets.find(str(socket_name)) if socket_name else None
        self.go_to(ctx, uri.partition(":")[2] if domain else uri, socket, domain)
        return 1

    # ---- states and lists ----

    @function(REQUEST | FAILURE, partition="partition_of")
    def ds_mark_dst(
        self, ctx: Context, state: str | None = None, partition: Annotated[Partition, "str"] | None = None,
    ) -> int:
        """Put the destination in use into a state: i inactive, a active, p probing (after ds_probing_threshold calls).
        1; -1: another letter, or ds_select_dst() with flag f was not called."""
        chosen = self.partition_or_default(partition)
        wanted = LETTERS.get(state) if state else INACTIVE
        if wanted is None:
            self.log.error("unknown option %s", state)
            return -1
        groups, uris = ctx.avps.get(chosen.avps.grp), ctx.avps.get(chosen.avps.dst)
        if not groups or isinstance(groups[-1], str) or not uris or not isinstance(uris[-1], str):
            return -1
        found = self.find_destination(chosen, int(groups[-1] or 0), str(uris[-1]))
        if found is None:
            return -1
        self.set_state(chosen, *found, wanted, _MARKED)
        return 1

    @function(REQUEST | FAILURE | BRANCH | LOCAL | TIMER | EVENT, state_filter=parse_filter, partition="partition_of",
              writable=("res_var",))
    def ds_count(
        self, ctx: Context, set: int, state_filter: Annotated[frozenset[int], "str"], res_var: Var,
        partition: Annotated[Partition, "str"] | None = None,
    ) -> int:
        """How many destinations of a set are in one of the states of the filter (a, i, p) goes into res_var.
        1; -1: unknown set."""
        group = self.partition_or_default(partition).data.sets.get(set)
        if group is None:
            self.log.error("invalid set %d (not found)", set)
            return -1
        put(ctx, res_var, sum(one.state in state_filter for one in group.destinations))
        return 1

    @function(REQUEST | FAILURE | ONREPLY | BRANCH | LOCAL, partition="partition_of")
    def ds_is_in_list(
        self, ctx: Context, ip: str, port: int, set: int | None = None, partition: Annotated[Partition, "str"] | None = None,
        active_only: int | None = None, pattern: str | None = None,
    ) -> int:
        """Whether an address is that of a destination. port 0: any, set -1 or none: in all of them (setid_pvar tells which),
        active_only not 0: active ones only, pattern: a glob for the attributes. 1, the attributes in their AVPs; -1."""
        chosen = self.partition_or_default(partition)
        set_id = ALL_SETS if set is None else set
        for group, one in chosen.data.at(_address(ip), port, set_id):
            if active_only and one.state != ACTIVE:
                continue
            if pattern is not None and not (one.attrs and matches_glob(pattern, one.attrs)):
                continue
            if set_id == ALL_SETS:
                put(ctx, self.setid_var, group.id)
            self.push_attributes(ctx.avps, chosen, one)
            return 1
        return -1

    # ---- attributes of scripts ----

    @function(ALL_ROUTES, partition="partition_of")
    def ds_push_script_attrs(
        self, ctx: Context, script_attr: str, ip: str, port: int, set: int | None = None,
        partition: Annotated[Partition, "str"] | None = None,
    ) -> int:
        """Give the destinations at an address a text, which is theirs until another one is given. port 0: any, set -1: all.
        1; -1: ip is no address."""
        chosen = self.partition_or_default(partition)
        self.push_script_attrs(chosen, script_attr, _address(ip), port, ALL_SETS if set is None else set)
        return 1

    @staticmethod
    def push_script_attrs(partition: Partition, text: str, ip: str, port: int, set_id: int) -> None:
        """ds_push_script_attrs() for a canonical address."""
        for _, one in partition.data.at(ip, port, set_id):
            one.script_attrs = text

    @function(ALL_ROUTES, partition="partition_of", writable=("out_attrs",))
    def ds_get_script_attrs(
        self, ctx: Context, uri: str, set: int, partition: Annotated[Partition, "str"] | None, out_attrs: Var,
    ) -> int:
        """The text a destination was given, "" before. set -1: in any set. 1; -1: there is no such destination."""
        for group in self.partition_or_default(partition).data.sets.values():
            if set not in (ALL_SETS, group.id):
                continue
            for one in group.destinations:
                if one.dst_uri == uri:
                    put(ctx, out_attrs, one.script_attrs or "")
                    return 1
        return -1


def _pop(avps: dict[str, list[Value]], name: str) -> tuple[bool, Value]:
    """Take the newest value away: (there was one, the value)."""
    values = avps.get(name)
    if not values:
        return False, None
    value = values.pop()
    if not values:
        del avps[name]
    return True, value


def _address(ip: str) -> str:
    """An IP address in our form of text. Raises ScriptError."""
    found = plain_ip(ip)
    if found is None:
        raise ScriptError(f"<{ip}> is no IP address")
    return found
