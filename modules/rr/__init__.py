"""rr: record routing and loose routing (RFC 3261 16.4, 16.6, 16.12), with strict routers before and behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import ConfigError, SipParseError
from engine.module import BRANCH, FAILURE, REQUEST, Context, Module, Pattern, Value, function, modparam, pvar
from engine.sip.grammar import find_param
from engine.sip.headers import NameAddr
from engine.sip.uri import SipUri, parse_uri
from modules.rr.record import RecordRoute

DOWNSTREAM, UPSTREAM = "downstream", "upstream"


class RunState:
    """What rr knows of one request."""

    __slots__ = ("params", "buffered", "removed", "followed")

    def __init__(self) -> None:
        self.params: str | None = None
        """Parameters of the own Route, None when none was consumed."""
        self.buffered: list[str] = []
        """add_rr_param() before record_route()."""
        self.followed = False
        """loose_route() has followed the Route set."""
        self.removed: set[int] = set()
        """Indexes of the routes that were taken out."""


def direction(text: str) -> str:
    """Fixup of is_direction()."""
    if text.lower() not in (DOWNSTREAM, UPSTREAM):
        raise ConfigError(f"is_direction: unknown direction {text!r}", hint="downstream or upstream")
    return text.lower()


class Rr(Module):
    """The rr module."""

    append_fromtag = modparam(int, 1, help="the From tag goes into Record-Route: is_direction() needs it")
    enable_double_rr = modparam(int, 1, help="two headers when the request changes the socket")
    add_username = modparam(int, 0, help="the user of the Request-URI goes into Record-Route")
    enable_socket_mismatch_warning = modparam(int, 1, help="warn when the second own Route names no socket")
    ignore_user = modparam(str, "", help="a Route with this user is not ours")

    def mod_init(self) -> None:
        self._listeners: list[Callable[[Context, str], None]] = []

    # ---- state of a run ----

    @staticmethod
    def _state(ctx: Context) -> RunState:
        slots = ctx.slots
        if slots is None:
            slots = ctx.slots = {}
        state: RunState | None = slots.get("rr")
        if state is None:
            state = slots["rr"] = RunState()
        return state

    @staticmethod
    def _known_state(ctx: Context) -> RunState | None:
        return ctx.slots.get("rr") if ctx.slots is not None else None

    # ---- for other modules ----

    def register(self, call: Callable[[Context, str], None]) -> None:
        """Be told when loose_route() has followed a route set."""
        self._listeners.append(call)

    def params(self, ctx: Context) -> str | None:
        """$rr_params."""
        state = self._known_state(ctx)
        return state.params if state is not None else None

    def param(self, ctx: Context, name: str) -> str | None:
        """One parameter of the own Route."""
        text = self.params(ctx)
        return find_param(text, name) if text else None

    def followed(self, ctx: Context) -> bool:
        """Whether loose_route() has followed a Route set in this run."""
        state = self._known_state(ctx)
        return state is not None and state.followed

    def removed(self, ctx: Context) -> frozenset[int]:
        """Indexes of the routes taken out."""
        state = self._known_state(ctx)
        return frozenset(state.removed) if state is not None else frozenset()

    def downstream(self, ctx: Context) -> bool:
        """True unless the own Route's ftag is another than the From tag."""
        ftag = self.param(ctx, "ftag")
        return not ftag or not ctx.msg.from_tag or ftag == ctx.msg.from_tag

    def add_param(self, ctx: Context, text: str) -> int:
        """add_rr_param()."""
        record: RecordRoute | None = ctx.record_route
        if record is None:
            self._state(ctx).buffered.append(text)
        else:
            record.late.insert(0, text)
        return 1

    # ---- Record-Route ----

    def _record(self, ctx: Context, text: str) -> RecordRoute | None:
        """A new record for the request; None when there is one already."""
        if ctx.record_route is not None:
            self.log.error("Record-Route was added already")
            return None
        user = None
        if self.add_username:
            try:
                user = parse_uri(ctx.msg.request_uri).user  # type: ignore[attr-defined]
            except SipParseError:
                user = None
        ftag = (ctx.msg.from_tag or None) if self.append_fromtag else None
        state = self._known_state(ctx)
        early = state.buffered if state is not None else []
        return RecordRoute(user, ftag, text, early, bool(self.enable_double_rr))

    @function(REQUEST | BRANCH | FAILURE)
    def record_route(self, ctx: Context, params: str | None = None) -> int:
        """Stay in the path of the dialog: add Record-Route, with params (";x=y") behind ours. -1 when there is one already."""
        record = self._record(ctx, params or "")
        if record is None:
            return -1
        ctx.record_route = record
        return 1

    @function(REQUEST | BRANCH | FAILURE)
    def record_route_preset(self, ctx: Context, address: str, second: str | None = None) -> int:
        """Add Record-Route with addresses of one's own choice, the first on top."""
        if second is not None and not self.enable_double_rr:
            self.log.error("record_route_preset: a second address needs enable_double_rr")
            return -1
        record = self._record(ctx, "")
        if record is None:
            return -1
        record.preset = (address,) if second is None else (address, second)
        ctx.record_route = record
        return 1

    @function(REQUEST | BRANCH | FAILURE)
    def add_rr_param(self, ctx: Context, text: str) -> int:
        """Add ";name=value" to the Record-Route, before or after record_route()."""
        return self.add_param(ctx, text)

    # ---- loose routing ----

    @function(REQUEST)
    def loose_route(self, ctx: Context) -> int:
        """Follow the Route set: own Routes are taken out, the next one becomes $du (or the Request-URI for a strict router).
        1 when the next hop follows from the Route set, else -1."""
        msg = ctx.msg
        if "route" not in msg.names:
            return -1
        try:
            routes = msg.routes
            for route in routes:
                if not route.bracketed:             # the grammar of Route has name-addr only, RFC 3261 25.1
                    raise SipParseError("a Route without angle brackets", part="Route")
            ruri = parse_uri(ctx.ruri or "")
            if not msg.to_tag:
                return self._after_loose(ctx, routes, True)
            if self._is_myself(ruri) and not ruri.has_param("gr"):
                return self._after_strict(ctx, routes, ruri)
            return self._after_loose(ctx, routes, False)
        except SipParseError as error:
            self.log.error("bad Route set: %s", error.message)
            return -1

    def _is_myself(self, uri: SipUri) -> bool:
        """Whether a Route names this server: maddr or host, port and protocol."""
        if uri.scheme not in ("sip", "sips") or (self.ignore_user and uri.user == self.ignore_user):
            return False
        return self.server.is_myself(uri.maddr or uri.host, uri.port_or_default, uri.proto)  # type: ignore[no-any-return]

    def _force_socket(self, ctx: Context, uri: SipUri) -> None:
        """Send by the socket a Route of ours names."""
        host = uri.host
        socket: Any = self.server.sockets.find(f"{uri.proto}:{host}:{uri.port_or_default}")
        if socket is not None:
            ctx.send_socket = socket
        elif self.enable_socket_mismatch_warning:
            self.log.warning("no socket matches the Route %s", uri)

    @staticmethod
    def _target(uri: SipUri) -> str:
        """A Route's URI as destination: maddr takes the place of everything but the port."""
        maddr = uri.maddr
        if maddr is None:
            return uri.text
        return f"sip:{maddr}" if uri.port is None else f"sip:{maddr}:{uri.port}"

    def _after_loose(self, ctx: Context, routes: list[NameAddr], preloaded: bool) -> int:
        """The previous hop was a loose router."""
        first = routes[0].parsed_uri
        gone = []
        at = 0
        state = self._state(ctx)
        state.params = None
        forced = False
        if self._is_myself(first):
            state.params = first.params
            gone.append(0)
            at = 1
            double = bool(self.enable_double_rr) and first.has_param("r2")
            if double and at < len(routes):
                self._force_socket(ctx, routes[at].parsed_uri)
                gone.append(at)
                at += 1
            elif not double or at >= len(routes):
                forced = True
        elif self.ignore_user and first.user == self.ignore_user:
            return -1
        code = 1
        if at >= len(routes):
            if preloaded:
                code = -1
        else:
            uri = routes[at].parsed_uri
            if uri.is_loose:
                ctx.dst_uri = self._target(uri)
            else:
                self._to_strict(ctx, uri)
                gone.append(at)
        if forced and not preloaded:
            ctx.send_socket = ctx.socket
        self._remove(ctx, state, routes, gone)
        self._tell(ctx, state)
        return code

    def _to_strict(self, ctx: Context, uri: SipUri) -> None:
        """RFC 3261 16.6 step 6: the Request-URI goes to the end of the Route set, the strict router becomes it."""
        msg = ctx.msg
        ctx.new_edits().append_header(msg, f"Route: <{msg.request_uri}>\r\n")  # type: ignore[attr-defined]
        ctx.ruri = self._target(uri)

    def _after_strict(self, ctx: Context, routes: list[NameAddr], ruri: SipUri) -> int:
        """The previous hop was a strict router: the Request-URI is what we wrote into Record-Route (RFC 3261 16.4)."""
        state = self._state(ctx)
        gone = []
        at = 0
        uri = routes[0].parsed_uri
        if self.enable_double_rr and uri.has_param("r2") and self._is_myself(uri):
            self._force_socket(ctx, uri)
            gone.append(0)
            at = 1
            if at >= len(routes):
                self._remove(ctx, state, routes, gone)
                return -1
            uri = routes[at].parsed_uri
        else:
            self._force_socket(ctx, ruri)
        if uri.is_loose:
            ctx.dst_uri = self._target(uri)
            last = len(routes) - 1
            ctx.ruri = self._target(routes[last].parsed_uri)
            gone.append(last)
        else:
            ctx.ruri = self._target(uri)
            gone.append(at)
        self._remove(ctx, state, routes, gone)
        state.params = parse_uri(ctx.ruri).params
        self._tell(ctx, state)
        return 1

    @staticmethod
    def _remove(ctx: Context, state: RunState, routes: list[NameAddr], gone: list[int]) -> None:
        fresh = [index for index in gone if index not in state.removed]
        if fresh:
            state.removed.update(fresh)
            ctx.new_edits().remove_values(ctx.msg, routes, sorted(state.removed))

    def _tell(self, ctx: Context, state: RunState) -> None:
        state.followed = True
        for call in self._listeners:
            call(ctx, state.params or "")

    # ---- questions ----

    @function(REQUEST)
    def check_route_param(self, ctx: Context, regex: Pattern) -> int:
        """Search in the parameters of the own Route, a semicolon in front of them. -1 also without any."""
        text = self.params(ctx)
        return 1 if text and regex.search(f";{text}") else -1

    @function(REQUEST, dir=direction)
    def is_direction(self, ctx: Context, dir: str) -> int:
        """downstream: as the request that made the dialog; upstream: against it."""
        return 1 if self.downstream(ctx) == (dir == DOWNSTREAM) else -1

    @pvar("rr_params")
    def rr_params(self, ctx: Context) -> Value:
        """Parameters of the own Route that loose_route() consumed, NULL without one."""
        return self.params(ctx) or None


exports = Rr
