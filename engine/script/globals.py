"""The global parameters (`name = value` between routes): one table, and the settings that come out of it.

The table says the kind of value, since which release a name exists, what replaced it, and what it does not do here: sizes of
memory pools and numbers of processes are read and checked but have nothing to act on in this server, and the author is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from engine.errors import ConfigError, UnknownName
from engine.script import nodes as n
from engine.script.definitions import AliasSpec, BlacklistSpec, Host, ScalingProfile, SocketSpec, Workers
from engine.script.settings import Settings
from engine.similar import nearest

_MEMORY: Final = "memory is managed by Python"
_WRITES: Final = "sending to a connection never waits, so it is never slow"
_PROCESSES: Final = "this server runs in one process"
_TUNING: Final = "the operating system's own value is used"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One line of the table."""

    kind: str
    """Letters: N number, B boolean, S string, I bare word (several may be allowed); or the name of a definition."""
    since: str = ""
    """First release that has it; empty: all of 3.1 ... 3.6."""
    canonical: str = ""
    """Today's spelling, when this is another one; it is the attribute of Settings."""
    deprecated: bool = False
    """Warn, and name the canonical spelling (a mere second spelling is silent)."""
    low: int | None = 0
    """Smallest number; None: signed."""
    high: int | None = None
    words: tuple[str, ...] = ()
    """The only texts allowed."""
    no_effect: str = ""
    """Why it changes nothing here; the author gets an information line."""


def _p(kind: str, since: str = "", **more: object) -> Parameter:
    return Parameter(kind, since, **more)  # type: ignore[arg-type]


_FORMATS: Final = ("plain_text", "json", "json_cee")
_POLL: Final = ("poll", "epoll", "epoll_lt", "epoll_et", "sigio_rt", "select", "kqueue", "/dev/poll", "none")
_TOS: Final = ("IPTOS_LOWDELAY", "IPTOS_THROUGHPUT", "IPTOS_RELIABILITY", "IPTOS_MINCOST", "IPTOS_LOWCOST")
_FACILITIES: Final = tuple(
    f"LOG_{name}" for name in
    (*"AUTH AUTHPRIV CRON DAEMON FTP KERN LPR MAIL NEWS SYSLOG USER UUCP".split(), *(f"LOCAL{digit}" for digit in range(8)))
)

PARAMETERS: Final[dict[str, Parameter]] = {
    # logging
    "debug_mode": _p("B"),
    "log_level": _p("N", low=None),
    "xlog_level": _p("N", low=None),
    "xlog_print_level": _p("N", low=None),
    "xlog_buf_size": _p("N"),
    "xlog_force_color": _p("B"),
    "pv_print_buf_size": _p("N"),
    "log_stderror": _p("B", canonical="stderror_enabled", deprecated=True),
    "stderror_enabled": _p("B", "3.4"),
    "syslog_enabled": _p("B", "3.4"),
    "log_event_enabled": _p("B", "3.4"),
    "stderror_level_filter": _p("N", "3.4", low=None),
    "syslog_level_filter": _p("N", "3.4", low=None),
    "log_event_level_filter": _p("N", "3.4", low=None),
    "stderror_log_format": _p("S", "3.4", words=_FORMATS),
    "syslog_log_format": _p("S", "3.4", words=_FORMATS),
    "log_json_buf_size": _p("N", "3.4"),
    "log_msg_buf_size": _p("N", "3.4"),
    "log_facility": _p("I", canonical="syslog_facility", deprecated=True, words=_FACILITIES),
    "syslog_facility": _p("I", "3.4", words=_FACILITIES),
    "log_name": _p("S", canonical="syslog_name", deprecated=True),
    "syslog_name": _p("S", "3.4"),
    "log_prefix": _p("S", "3.3"),
    "log_stdout": _p("B", "3.2"),
    # sockets and workers
    "socket": _p("socket"),
    "listen": _p("socket", canonical="socket", deprecated=True),
    "alias": _p("alias"),
    "auto_aliases": _p("B"),
    "advertised_address": _p("address"),
    "advertised_port": _p("N", low=1, high=65535),
    "udp_workers": _p("workers", no_effect=_PROCESSES),
    "tcp_workers": _p("workers", no_effect=_PROCESSES),
    "timer_workers": _p("workers", no_effect=_PROCESSES),
    "auto_scaling_profile": _p("profile", no_effect=_PROCESSES),
    "auto_scaling_cycle": _p("N", no_effect=_PROCESSES),
    # TCP and IP
    "tcp_accept_aliases": _p("N", high=2),
    "tcp_connect_timeout": _p("N"),
    "tcp_connection_lifetime": _p("N"),
    "tcp_socket_backlog": _p("N", "3.2"),
    "tcp_listen_backlog": _p("N", canonical="tcp_socket_backlog", deprecated=True),
    "tcp_max_connections": _p("N"),
    "tcp_no_new_conn_bflag": _p("I"),
    "tcp_no_new_conn_rplflag": _p("I"),
    "tcp_keepalive": _p("B"),
    "tcp_keepcount": _p("N"),
    "tcp_keepidle": _p("N"),
    "tcp_keepinterval": _p("N"),
    "tcp_max_msg_time": _p("N"),
    "tcp_parallel_read_on_workers": _p("B", "3.3", no_effect=_PROCESSES),
    "mhomed": _p("B"),
    "mcast_loopback": _p("B"),
    "mcast_ttl": _p("N", high=255),
    "tos": _p("NI", words=_TOS),
    "poll_method": _p("IS", words=_POLL, no_effect="the event loop chooses the best method of the system"),
    "open_files_limit": _p("N"),
    "maxbuffer": _p("N"),
    # SIP
    "check_via": _p("B"),
    "sip_warning": _p("B"),
    "server_signature": _p("B"),
    "server_header": _p("S"),
    "user_agent_header": _p("S"),
    "disable_stateless_fwd": _p("B"),
    "disable_503_translation": _p("B"),
    # DNS
    "dns": _p("B"),
    "rev_dns": _p("B"),
    "dns_try_ipv6": _p("B"),
    "dns_try_naptr": _p("B"),
    "dns_retr_time": _p("N"),
    "dns_retr_no": _p("N"),
    "dns_servers_no": _p("N"),
    "dns_use_search_list": _p("B"),
    "disable_dns_failover": _p("B"),
    "disable_dns_blacklist": _p("B"),
    "dst_blacklist": _p("blacklist"),
    # script
    "compat": _p("release", words=("3.1", "3.2", "3.3", "3.4", "3.5", "3.6")),
    "max_while_loops": _p("N"),
    "enable_asserts": _p("B"),
    "abort_on_assert": _p("B"),
    # watching
    "exec_msg_threshold": _p("N"),
    "execmsgthreshold": _p("N", canonical="exec_msg_threshold"),
    "exec_dns_threshold": _p("N"),
    "execdnsthreshold": _p("N", canonical="exec_dns_threshold"),
    "tcp_threshold": _p("N", no_effect=_WRITES),
    "tcpthreshold": _p("N", canonical="tcp_threshold", no_effect=_WRITES),
    "event_shm_threshold": _p("N", high=100, no_effect=_MEMORY),
    "event_pkg_threshold": _p("N", high=100, no_effect=_MEMORY),
    # databases
    "query_buffer_size": _p("N"),
    "query_flush_time": _p("N"),
    "db_version_table": _p("S"),
    "db_default_url": _p("S"),
    "db_max_async_connections": _p("N"),
    # memory
    "shm_hash_split_percentage": _p("N", no_effect=_MEMORY),
    "shm_secondary_hash_size": _p("N", no_effect=_MEMORY),
    "mem_warming": _p("B", no_effect=_MEMORY),
    "mem_warming_enabled": _p("B", canonical="mem_warming", no_effect=_MEMORY),
    "mem_warming_pattern_file": _p("S", no_effect=_MEMORY),
    "mem_warming_percentage": _p("N", no_effect=_MEMORY),
    "memlog": _p("N", low=None, no_effect=_MEMORY),
    "mem_log": _p("N", low=None, canonical="memlog", no_effect=_MEMORY),
    "memdump": _p("N", low=None, no_effect=_MEMORY),
    "mem_dump": _p("N", low=None, canonical="memdump", no_effect=_MEMORY),
    "shm_memlog_size": _p("N", "3.4", low=None, no_effect=_MEMORY),
    "mem-group": _p("group", no_effect=_MEMORY),
    "restart_persistency_cache_file": _p("S"),
    "restart_persistency_size": _p("N", no_effect=_MEMORY),
    # the process
    "disable_core_dump": _p("B"),
    "chroot": _p("SI"),
    "workdir": _p("SI"),
    "wdir": _p("SI", canonical="workdir"),
    "mpath": _p("S"),
}
"""Every name that 3.1 ... 3.6 know."""

REMOVED: Final[dict[str, str]] = {
    "children": "use udp_workers", "tcp_children": "use tcp_workers", "debug": "use log_level", "fork": "use debug_mode = yes",
    "port": "give the port with the socket: socket = udp:1.2.3.4:5060", "log_buf_size": "use xlog_buf_size",
    "disable_tcp": "sockets decide: load proto_tcp.so and write socket = tcp:..., or do not",
    "disable_tls": "sockets decide: load proto_tls.so and write socket = tls:..., or do not",
    "avp_aliases": "there are none any more; write the full name $avp(name)", "tcp_poll_method": "use poll_method",
    "user": "start the server as that user", "uid": "start the server as that user",
    "group": "start the server as that group", "gid": "start the server as that group",
    "xlog_default_level": "use xlog_print_level", "tcp_send_timeout": "use modparam(\"proto_tcp\", \"tcp_send_timeout\", n)",
    "tcp_async": "use modparam(\"proto_tcp\", \"tcp_async\", n)", "reply_to_via": "use force_rport()",
    "use_children": "use use_workers behind the socket", "max_len": "use maxbuffer", "syn_branch": "branches are always made up",
    "tls_verify_server": "use modparam(\"tls_mgm\", ...)", "tls_certificate": "use modparam(\"tls_mgm\", \"certificate\", ...)",
    "tls_private_key": "use modparam(\"tls_mgm\", \"private_key\", ...)",
    "tls_method": "use modparam(\"tls_mgm\", \"tls_method\", ...)",
    "tls_ca_list": "use modparam(\"tls_mgm\", \"ca_list\", ...)", "import_file": "write import_file \"name\" without =",
    "include_file": "write include_file \"name\" without =",
}
"""Names of older releases, and what to write today."""

_TOKEN_OF_KIND: Final = {
    "socket": "G_SOCKET", "alias": "G_ALIAS", "address": "G_ADDRESS", "workers": "G_WORKERS", "profile": "G_PROFILE",
    "blacklist": "G_BLACKLIST", "group": "G_MEMGROUP", "release": "G_RELEASE",
}
TOKEN_KINDS: Final = {name: _TOKEN_OF_KIND.get(entry.kind, "G_SIMPLE") for name, entry in PARAMETERS.items()}
"""What the lexer makes of each name in front of `=`."""

_KIND_NAMES: Final = {
    "N": "a number", "B": "yes or no", "S": "a string", "I": "a bare word", "NI": "a number or a bare word",
    "IS": "a bare word or a string", "SI": "a string or a bare word", "workers": "a number",
}
_DEFINITIONS: Final = (SocketSpec, Host, Workers, ScalingProfile, BlacklistSpec, list, tuple)


def _wrong(param: n.GlobalParam, message: str, hint: str = "") -> ConfigError:
    pos = param.value_pos
    return ConfigError(message, pos.file, pos.line, pos.column, pos.end_column, hint)


def _unknown(param: n.GlobalParam) -> ConfigError:
    pos = param.pos
    removed = REMOVED.get(param.name)
    if removed:
        message = f"the parameter {param.name} does not exist any more"
        return UnknownName(message, pos.file, pos.line, pos.column, pos.end_column, removed)
    hint = nearest(param.name, PARAMETERS)
    return UnknownName(f"unknown parameter {param.name}", pos.file, pos.line, pos.column, pos.end_column, hint)


def _value(param: n.GlobalParam, entry: Parameter) -> object:
    """The checked value of one setting: bool, int, str, or a definition."""
    value = param.value
    if isinstance(value, _DEFINITIONS):
        return value
    assert isinstance(value, n.Const)
    kind = {"workers": "N", "release": "S"}.get(entry.kind, entry.kind)
    if isinstance(value.value, int):
        if kind == "B" and value.value >= 0:
            return value.value != 0
        if "N" not in kind:
            raise _wrong(param, f"{param.name} expects {_KIND_NAMES[kind]}, not a number")
        if entry.low is not None and value.value < entry.low:
            raise _wrong(param, f"{param.name} is at least {entry.low}, not {value.value}")
        if entry.high is not None and value.value > entry.high:
            raise _wrong(param, f"{param.name} is at most {entry.high}, not {value.value}")
        return value.value
    wanted = "S" if value.is_string else "I"
    if wanted not in kind:
        hint = "remove the quotes" if value.is_string and ("I" in kind or value.value.isdigit()) else ""
        if not value.is_string and "S" in kind:
            hint = f'write "{value.value}"'
        given = "a string" if value.is_string else "a bare word"
        raise _wrong(param, f"{param.name} expects {_KIND_NAMES[kind]}, not {given}", hint)
    if entry.words and value.value not in entry.words:
        hint = nearest(value.value, entry.words) or "known are " + " ".join(entry.words)
        raise _wrong(param, f"unknown value {value.value} of {param.name}", hint)
    return value.value


def _warning(param: n.GlobalParam, entry: Parameter) -> n.ConfigWarning | None:
    """What the author should know about the use of a name."""
    if entry.deprecated:
        also = " and/or syslog_enabled" if param.name == "log_stderror" else ""
        return n.ConfigWarning(param.pos, f"'{param.name}' is deprecated, use '{entry.canonical}'{also} instead")
    if entry.no_effect:
        return n.ConfigWarning(param.pos, f"{param.name} has no effect here: {entry.no_effect}", "info")
    return None


def check_globals(params: Iterable[n.GlobalParam]) -> tuple[list[ConfigError], list[n.ConfigWarning]]:
    """All errors and warnings in the global parameters of a script."""
    errors: list[ConfigError] = []
    warnings: list[n.ConfigWarning] = []
    for param in params:
        entry = PARAMETERS.get(param.name)
        if entry is None:
            errors.append(_unknown(param))
            continue
        try:
            _value(param, entry)
        except ConfigError as error:
            errors.append(error)
        warning = _warning(param, entry)
        if warning is not None:
            warnings.append(warning)
    return errors, warnings


def release_of(script: n.Script, otherwise: str) -> str:
    """The release a script asks to be run as (`compat = 3.1`), or the one given."""
    return next((str(param.value.value) for param in reversed(script.globals)
                 if param.name == "compat" and isinstance(param.value, n.Const)), otherwise)


def resolve_globals(script: n.Script, version: str = "3.6") -> Settings:
    """The settings of a parsed script; the last one of a name wins, sockets and other lists collect.

    `version` chooses the defaults that changed between releases ("3.1": 100 rounds of a while, xlog at level -1).
    """
    settings = Settings()
    settings.warnings = list(script.warnings)
    version = release_of(script, version)
    release = tuple(int(part) for part in version.split(".")[:2])
    if release < (3, 2):
        settings.max_while_loops = 100
        settings.xlog_print_level = -1
        settings.xlog_force_color = True
    for param in script.globals:
        entry = PARAMETERS[param.name]
        name = entry.canonical or param.name
        _store(settings, name, param, _value(param, entry))
        settings.explicit.add(name)
    if settings.debug_mode:
        settings.log_level = 4
        settings.stderror_enabled, settings.syslog_enabled = True, False
    return settings


def _store(settings: Settings, name: str, param: n.GlobalParam, value: object) -> None:
    """Put one value where it belongs."""
    match value:
        case SocketSpec():
            settings.sockets.append(value)
        case list():
            settings.aliases += [item for item in value if isinstance(item, AliasSpec)]
        case ScalingProfile():
            settings.auto_scaling_profiles.append(value)
        case BlacklistSpec():
            settings.dst_blacklists.append(value)
        case tuple():
            settings.mem_groups.append(value)
        case Host():
            setattr(settings, name, value.text)
        case Workers():
            setattr(settings, name, value.count)
            settings.worker_profiles[name] = value.profile
        case _ if name == "mpath":
            settings.mpath.append(str(value))
        case _:
            setattr(settings, name, value)
            if param.name == "log_stderror":
                settings.syslog_enabled = not value
                settings.explicit.add("syslog_enabled")
            elif name == "memlog":
                settings.memdump = settings.memlog
