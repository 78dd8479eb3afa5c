"""From global parameters to rooms: log, limits, sockets and protocols. Used at start only."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from engine.errors import ConfigError, ConfigErrors
from engine.events.core import E_CORE_LOG, E_CORE_THRESHOLD, LOG_PARAMS
from engine.log import Line, LogRoot, facility_of, level_name
from engine.script.settings import Settings
from engine.server.streams import enable_layered, enable_tcp
from engine.transport.resolver import Dns, Resolver
from engine.transport.udp import UdpTransport

if TYPE_CHECKING:
    from engine.script.definitions import SocketSpec
    from engine.server.core import Server

_TOS: Final = {
    "IPTOS_LOWDELAY": 0x10, "IPTOS_THROUGHPUT": 0x08, "IPTOS_RELIABILITY": 0x04, "IPTOS_LOWCOST": 0x02, "IPTOS_MINCOST": 0x02,
}


def tos_value(tos: int | str) -> int:
    """The number of `tos`."""
    return tos if isinstance(tos, int) else _TOS.get(tos, 0)


def configure_log(log: LogRoot, settings: Settings, compat: str = "3.6") -> None:
    """Levels, targets, filters and formats."""
    log.default_level = settings.log_level
    log.set_level(None)
    log.default_xlog_level = settings.xlog_level
    log.set_xlog_level(None)
    log.xlog_shows_level = compat != "3.1"
    log.prefix = f"{settings.log_prefix}:" if settings.log_prefix else ""
    log.facility = facility_of(settings.syslog_facility) or log.facility
    log.ident = settings.syslog_name or log.ident
    log.stderror.enabled = settings.stderror_enabled
    log.stderror.level_filter = settings.stderror_level_filter
    log.stderror.format = settings.stderror_log_format
    log.syslog.enabled = settings.syslog_enabled
    log.syslog.level_filter = settings.syslog_level_filter
    log.syslog.format = settings.syslog_log_format
    log.json_limit = settings.log_json_buf_size
    log.event.enabled = settings.log_event_enabled
    log.event.level_filter = settings.log_event_level_filter


def report_slow(server: Server, what: str, seconds: float, extra: str) -> None:
    """Something took longer than its threshold: log it and raise E_CORE_THRESHOLD."""
    microseconds = int(seconds * 1_000_000)
    server.log.warning("threshold exceeded: %s took too long - %d us. Source: %s", what, microseconds, extra)
    server.events.define(E_CORE_THRESHOLD).emit(source=what, time=microseconds, extra=extra)


def configure_core(server: Server, settings: Settings) -> None:
    """What the receive path, the resolver and the process take from the parameters."""
    receiver = server.receiver
    receiver.threshold = settings.exec_msg_threshold / 1_000_000
    receiver.check_via = settings.check_via
    receiver.stateless = None if settings.disable_stateless_fwd is None else not settings.disable_stateless_fwd
    receiver.translate_503 = not settings.disable_503_translation
    receiver.accept_aliases = settings.tcp_accept_aliases
    if settings.tcp_no_new_conn_rplflag:
        receiver.no_new_mask = server.registry.flag_names.bit(settings.tcp_no_new_conn_rplflag)
    server.sockets.mhomed = settings.mhomed
    for alias in settings.aliases:
        server.sockets.add_alias(alias.host, alias.port, alias.proto, alias.accept_subdomain)
    lookup = Dns(
        settings.dns_retr_time or 0, settings.dns_retr_no or 0, settings.dns_servers_no or 0, settings.dns_use_search_list)
    total = server.stats.counter("dns", "dns_total_queries")
    slow = server.stats.counter("dns", "dns_slow_queries")

    def asked(seconds: float) -> None:
        total.inc()
        if settings.exec_dns_threshold and seconds * 1_000_000 >= settings.exec_dns_threshold:
            slow.inc()
            report_slow(server, "DNS query", seconds, "")

    server.resolver = Resolver(
        server.workers.wait, lookup.query, try_ipv6=settings.dns_try_ipv6, try_naptr=settings.dns_try_naptr,
        usable=lambda proto: proto in server.sockets.transports, asked=asked, default_port=server.sockets.default_port)
    if settings.open_files_limit > 0:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        wanted = settings.open_files_limit if hard == resource.RLIM_INFINITY else min(settings.open_files_limit, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if settings.disable_core_dump:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


# ---------------------------------------------------------------- protocols and sockets


def enable_udp(server: Server, *, default_port: int = 5060) -> None:
    """proto_udp is loaded: make UDP usable."""
    settings: Settings = server.settings
    server.sockets.enable(UdpTransport(
        server.loop, server.workers.run, server.receiver.receive, server.log.warning, default_port=default_port,
        tos=tos_value(settings.tos), max_buffer=settings.maxbuffer, multicast_loopback=settings.mcast_loopback,
        multicast_ttl=settings.mcast_ttl,
    ))


def _enable_layered(proto: str, server: Server, **options: Any) -> None:
    """proto_tls, proto_ws or proto_wss is loaded."""
    enable_layered(server, proto, tos=tos_value(server.settings.tos), **options)


ENABLE: Final[dict[str, Callable[..., None]]] = {
    "udp": enable_udp,
    "tcp": lambda server, **options: enable_tcp(server, tos=tos_value(server.settings.tos), **options),
    **{proto: partial(_enable_layered, proto) for proto in ("tls", "ws", "wss")},
}
"""Protocol -> what makes it usable; the keyword arguments are those of its module."""


def make_sockets(server: Server, settings: Settings) -> None:
    """A ListenSocket for everything the script wants to listen on, in its order. ConfigErrors: all that cannot be had."""
    errors: list[ConfigError] = []
    if not server.sockets.transports:
        raise ConfigError("no transport protocol loaded", hint='write loadmodule "proto_udp.so"')
    if not settings.sockets:
        errors.append(ConfigError("no socket to listen on", hint="write socket=udp:127.0.0.1:5060"))
    for spec in settings.sockets:
        try:
            _add_socket(server, spec)
        except ConfigError as error:
            if not error.line:
                error.file, error.line, error.column = spec.pos.file, spec.pos.line, spec.pos.column
                error.end_column = spec.pos.end_column
            errors.append(error)
    if errors:
        raise ConfigErrors(errors)
    server.sockets.advertise(settings.advertised_address or None, settings.advertised_port or None)
    if settings.auto_aliases:
        server.sockets.auto_aliases()


def _add_socket(server: Server, spec: SocketSpec) -> None:
    for port in spec.port_list or [0]:
        server.sockets.add(
            spec.proto, spec.host, port, adv_host=spec.advertised_host or None, adv_port=spec.advertised_port or None,
            tag=spec.tag, accept_subdomain="accept_subdomain" in spec.flags, workers=spec.workers,
            tos=None if spec.tos is None else tos_value(spec.tos), reuse_port="reuse_port" in spec.flags,
            frag="frag" in spec.flags,
        )
    if "anycast" in spec.flags:
        server.log.info("%s:%d: anycast has no effect here: there is no cluster to share transactions with",
                        spec.pos.file, spec.pos.line)


# ---------------------------------------------------------------- the log as an event


def define_log_event(server: Server) -> None:
    """E_CORE_LOG, registered last so that the ids of all others are OpenSIPS'; raised for log lines when enabled."""
    if server.compat == "3.1":
        return
    event = server.events.define(E_CORE_LOG, LOG_PARAMS)
    if not server.log.event.enabled:
        return

    limit = server.settings.log_msg_buf_size

    def raise_it(line: Line) -> None:
        if event.active:
            event.emit(
                time=line.stamp, pid=os.getpid(), level=level_name(line.level), module=line.module or None,
                function=line.function or None, prefix=line.prefix[:-1] or None, message=line.text[:limit], format_message=line.plain()[:limit])

    server.log.on_event = raise_it
