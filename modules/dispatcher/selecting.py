"""ds_select_dst() and ds_select_domain(): a destination of a set is chosen, by one of eleven algorithms.

What they leave behind for ds_next_dst() and ds_mark_dst() lies in AVPs of the partition, as in OpenSIPS: they travel with the
transaction into its failure route, and scripts that look at them find what they expect.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple

from engine.errors import ConfigError, SipParseError
from engine.events.bus import EventParams
from engine.module import (
    BRANCH, FAILURE, LOCAL, REQUEST, Context, ScriptError, Value, Var, function, modparam, number_of, print_of, text_of,
)
from engine.script import ruri
from engine.script.variables.binder import Binder
from engine.script.varspec import VarSpec, parse_format
from engine.sip.digest import parse_digest
from engine.sip.uri import SipUri, parse_uri
from modules.dispatcher import choosing
from modules.dispatcher.choosing import text_hash, uri_hash
from modules.dispatcher.destinations import ACTIVE, Destination, DestinationSet
from modules.dispatcher.partitions import Partition
from modules.dispatcher.probing import Probing

SELECTING: Final = REQUEST | FAILURE | BRANCH | LOCAL
MANY: Final = 1000
"""Length of the failover list when the script names none."""


class Flags(NamedTuple):
    """Letters of the `flags` parameter."""

    failover: bool = False
    user_only: bool = False
    use_default: bool = False
    append: bool = False


def parse_flags(text: str) -> Flags:
    """Fixup: f, u, d, a in any case. ConfigError: another letter."""
    letters = text.lower().replace(" ", "")
    for letter in letters:
        if letter not in "fuda":
            raise ConfigError(f"invalid flag '{letter}' in <{text}>", hint="there are f, u, d and a")
    return Flags("f" in letters, "u" in letters, "d" in letters, "a" in letters)


class RouteParams(EventParams):
    """What $param() reads in the route of algorithm 10: attributes that are not there are "" by name, NULL by number."""

    __slots__ = ()

    def __init__(self, values: tuple[str, str | None, str | None]) -> None:
        super().__init__(("dst_uri", "attrs", "script_attrs"), values)

    def by_name(self, name: str) -> Value:
        """As EventParams, but "" for a parameter without value."""
        return super().by_name(name) or ("" if name in self.names else None)


class Selecting(Probing):
    """The functions that choose."""

    algo_route = modparam(str, "", help="route that gives the weight of a destination for algorithm 10, negative: do not use")
    hash_pvar = modparam(str, "", help="format whose text is hashed by algorithm 7")
    setid_pvar = modparam(str, "", help="variable for the number of the set in which ds_is_in_list() found an address")
    pvar_algo_pattern = modparam(str, "", help="variable with the load of a destination for algorithm 9: %u its URI, %i its set")

    binder: Binder
    hash_parts: list[str | Callable[[Context], Value]]
    setid_var: Var | None

    # ---- fixups ----

    def partition_of(self, name: str) -> Partition:
        """Fixup: a partition by name. ConfigError: there is none."""
        found = self.partitions.get(name) if name else self.default_partition
        if found is None:
            raise ConfigError(f"could not locate partition {name}")
        return found

    def partition_or_default(self, chosen: Partition | None) -> Partition:
        """The partition a call is about. Raises ScriptError: none was named and there is no default one."""
        found = chosen if chosen is not None else self.default_partition
        if found is None:
            raise ScriptError("there is no default partition, name one")
        return found

    # ---- selecting ----

    @function(SELECTING, flags=parse_flags, partition="partition_of")
    def ds_select_dst(
        self, ctx: Context, set: int, alg: int, flags: Annotated[Flags, "str"] | None = None,
        partition: Annotated[Partition, "str"] | None = None, max_res: int | None = None,
    ) -> int:
        """Choose a destination of a set and make it $du (and the sending socket, when it names one). alg 0 ... 10: manual.
        Flags: f keeps the others for ds_next_dst(), at most max_res with this one; u hashes the user only; d keeps the last of
        the set for when all others are gone; a adds to the list there is. 1; -1: unknown set, nothing active in it."""
        return self._select(ctx, set, alg, flags or Flags(), self.partition_or_default(partition), max_res, False)

    @function(SELECTING, flags=parse_flags, partition="partition_of")
    def ds_select_domain(
        self, ctx: Context, set: int, alg: int, flags: Annotated[Flags, "str"] | None = None,
        partition: Annotated[Partition, "str"] | None = None, max_res: int | None = None,
    ) -> int:
        """As ds_select_dst(), but host, port and parameters of the Request-URI become those of the destination."""
        return self._select(ctx, set, alg, flags or Flags(), self.partition_or_default(partition), max_res, True)

    def _select(
        self, ctx: Context, set_id: int, algorithm: int, flags: Flags, partition: Partition, most: int | None, domain: bool,
    ) -> int:
        group = partition.data.sets.get(set_id)
        if group is None:
            self.log.error("destination set [%d] not found in partition [%s]", set_id, partition.name)
            return -1
        if not group.active:
            return -1
        ranked: list[Destination] | None = None
        if algorithm == choosing.ROUTE or (algorithm == choosing.LOAD and self.pvar_algo_pattern):
            ranked = self._by_route(ctx, group, flags) if algorithm == choosing.ROUTE else self._by_load(ctx, group, flags)
            if not ranked:
                self.log.error("no destination of set [%d] can be used", set_id)
                return -1
            at, selected = 0, ranked[0]
        else:
            place = self._place(ctx, group, algorithm, flags)
            if place is None:
                return -1
            at, selected = place, group.destinations[place]
        group.last = at
        if algorithm == choosing.ROUND_ROBIN:
            selected.streak += 1
        self.go_to(ctx, selected.hostport if domain else selected.dst_uri, selected.socket, domain)
        selected.hits += 1
        self._note(ctx, partition, group, selected, at, ranked, flags, MANY if most is None else most)
        return 1

    @staticmethod
    def go_to(ctx: Context, where: str, socket: Any, domain: bool) -> None:
        """Make a destination $du or, domain, host and parameters of the Request-URI; and its socket the sending one."""
        if domain:
            ruri.set_hostport(ctx, where)
        else:
            ctx.dst_uri = where
        if socket is not None:
            ctx.send_socket = socket

    def _place(self, ctx: Context, group: DestinationSet, algorithm: int, flags: Flags) -> int | None:
        """The place of the destination an algorithm chooses; None: none is active."""
        candidate: int | None = None
        number = 0
        if algorithm == choosing.CALL_ID:
            number = text_hash(ctx.msg.call_id or "")
        elif algorithm == choosing.FROM_URI:
            number = uri_hash(_uri_of(ctx.msg.from_, "From"), flags.user_only)
        elif algorithm == choosing.TO_URI:
            number = uri_hash(_uri_of(ctx.msg.to, "To"), flags.user_only)
        elif algorithm == choosing.REQUEST_URI:
            number = uri_hash(ruri.current(ctx), flags.user_only)
        elif algorithm == choosing.ROUND_ROBIN:
            count = len(group.destinations)
            candidate = choosing.next_turn(group, count - 1 if flags.use_default and count > 1 else count)
        elif algorithm == choosing.AUTH_USER:
            user = _auth_user(ctx)
            if user:
                number = text_hash(user)
            else:
                candidate = group.last
        elif algorithm == choosing.RANDOM:
            number = random.getrandbits(31)
        elif algorithm == choosing.VARIABLES:
            number = text_hash(self._hash_text(ctx))
        elif algorithm == choosing.LOAD:
            self.log.warning("no pvar_algo_pattern, using the first entry")
        else:
            if algorithm != choosing.FIRST:
                self.log.warning("dispatching via [%d] with unknown algorithm [%d]: using the first entry", group.id, algorithm)
            candidate = 0
        return choosing.settle(group, candidate, number, flags.use_default)

    def _hash_text(self, ctx: Context) -> str:
        if not self.hash_parts:
            raise ScriptError("algorithm 7 needs the parameter hash_pvar")
        text = "".join([part if isinstance(part, str) else print_of(part(ctx)) for part in self.hash_parts]).strip()
        if not text:
            raise ScriptError("the text of hash_pvar is empty")
        return text

    # ---- algorithms that rank ----

    @staticmethod
    def _candidates(group: DestinationSet, flags: Flags) -> list[Destination]:
        """Active destinations, without the last one where that is kept for the end."""
        found = group.destinations[:-1] if flags.use_default else group.destinations
        return [one for one in found if one.state == ACTIVE]

    def _by_load(self, ctx: Context, group: DestinationSet, flags: Flags) -> list[Destination]:
        """Algorithm 9: the least load first; one whose load is no number is left out."""
        loads: list[tuple[int, Destination]] = []
        for one in self._candidates(group, flags):
            if one.load is None:
                text = self.pvar_algo_pattern.replace("%u", one.uri).replace("%i", str(group.id))
                try:
                    one.load = self.binder.bind_text(text).get
                except ConfigError as error:
                    self.log.error("cannot read the load of %s: %s", one.uri, error.message)
                    continue
            value = one.load(ctx)
            number = 0 if value is None else number_of(value)
            if number is None:
                try:
                    number = int(text_of(value) or "")
                except ValueError:
                    self.log.error("the load of %s is no number", one.uri)
                    continue
            loads.append((number, one))
        loads.sort(key=lambda item: item[0])
        return [one for _, one in loads]

    def _by_route(self, ctx: Context, group: DestinationSet, flags: Flags) -> list[Destination]:
        """Algorithm 10: the route is asked about each; the smallest answer first, those with a negative one are left out."""
        route = ctx.script.routes.get(self.algo_route) if self.algo_route else None
        if route is None:
            raise ScriptError(f"there is no route[{self.algo_route}] for algorithm 10")
        answers: list[tuple[int, Destination]] = []
        params = ctx.params
        try:
            for one in self._candidates(group, flags):
                ctx.params = RouteParams((one.dst_uri, one.attrs or None, one.script_attrs))
                code = self.server.run(route, ctx)
                if code >= 0:
                    answers.append((code, one))
        finally:
            ctx.params = params
        answers.sort(key=lambda item: item[0])
        return [one for _, one in answers]

    # ---- the list of those that come next ----

    def _note(
        self, ctx: Context, partition: Partition, group: DestinationSet, selected: Destination, at: int,
        ranked: list[Destination] | None, flags: Flags, most: int,
    ) -> None:
        """Write down what was chosen and, for failover, what comes after it."""
        names, avps = partition.avps, ctx.avps
        count = 0
        if flags.failover:
            if not flags.append:
                for name in (names.dst, names.grp, names.cnt, names.sock, names.attrs, names.script_attrs):
                    avps.pop(name, None)
            destinations = group.destinations
            last = destinations[-1]
            if ranked is None:
                following = destinations[at + 1:] + destinations[:at]
                following = [one for one in following if one.state == ACTIVE and not (flags.use_default and one is last)]
            else:
                following = ranked[1:]
            following = following[:max(0, most - 1)]
            if flags.use_default and selected is not last:
                following.append(last)
            # The top of an AVP is its newest value: the last one to be used goes first.
            for one in reversed(following):
                push(avps, names.sock, one.socket.name if one.socket is not None else "")
                push(avps, names.dst, one.dst_uri)
                self.push_attributes(avps, partition, one)
            push(avps, names.dst, selected.uri)
            count = len(following) + 1
        self.push_attributes(avps, partition, selected)
        push(avps, names.grp, group.id)
        push(avps, names.cnt, count)

    @staticmethod
    def push_attributes(avps: dict[str, list[Value]], partition: Partition, one: Destination) -> None:
        """Give the attributes of a destination to the script, in the AVPs the partition has for them."""
        names = partition.avps
        if names.attrs:
            push(avps, names.attrs, one.attrs)
        if names.script_attrs:
            push(avps, names.script_attrs, one.script_attrs or "")

    def bind_variables(self) -> None:
        """For mod_init: bind the variables the parameters name. ConfigError: an unknown or a read-only one."""
        self.binder = Binder(self.server.registry)
        self.hash_parts = [
            self.binder.bind(part).get if isinstance(part, VarSpec) else part for part in parse_format(self.hash_pvar)
        ] if self.hash_pvar else []
        self.setid_var = self.binder.bind_text(self.setid_pvar) if self.setid_pvar else None
        if self.setid_var is not None and self.setid_var.set is None:
            raise ConfigError(f"dispatcher: setid_pvar {self.setid_pvar} is read-only")


def push(avps: dict[str, list[Value]], name: str, value: Value) -> None:
    """Put a value on top of an AVP."""
    avps.setdefault(name, []).append(value)


def _uri_of(value: Any, header: str) -> SipUri:
    """The URI of From or To. Raises ScriptError."""
    try:
        return parse_uri(value.uri)
    except (AttributeError, SipParseError):
        raise ScriptError(f"cannot get the {header} URI") from None


def _auth_user(ctx: Context) -> str:
    """User of Proxy-Authorization, else of Authorization, without its domain; "" without one."""
    for header in ("proxy-authorization", "authorization"):
        value = ctx.msg.header(header)
        if value is None:
            continue
        try:
            found = parse_digest(value)
        except SipParseError:
            continue
        return (found.user or "").strip() if found.is_digest else ""
    return ""
