"""Settings: the global parameters of a script, typed, with OpenSIPS' defaults. None where the default is found at start."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.script.definitions import AliasSpec, BlacklistSpec, ScalingProfile, SocketSpec
from engine.script.nodes import ConfigWarning


@dataclass(slots=True)
class Settings:
    """One attribute per global parameter, by its canonical name (`exec_msg_threshold`, not `execmsgthreshold`)."""

    # logging
    debug_mode: bool = False
    """One worker in the foreground, log_level 4 to standard error."""
    log_level: int = 2
    """-3 alert, -2 critical, -1 error, 1 warning, 2 notice, 3 info, 4 debug."""
    xlog_level: int = 2
    xlog_print_level: int = 2
    """Level of xlog("text") without a level."""
    xlog_buf_size: int = 4096
    xlog_force_color: bool = False
    pv_print_buf_size: int = 20000
    stderror_enabled: bool = True
    syslog_enabled: bool = False
    log_event_enabled: bool = False
    stderror_level_filter: int = 0
    syslog_level_filter: int = 0
    log_event_level_filter: int = 0
    stderror_log_format: str = "plain_text"
    syslog_log_format: str = "plain_text"
    log_json_buf_size: int = 6144
    log_msg_buf_size: int = 4096
    syslog_facility: str = "LOG_DAEMON"
    syslog_name: str = ""
    log_prefix: str = ""
    log_stdout: bool = False
    # sockets and workers
    sockets: list[SocketSpec] = field(default_factory=list)
    aliases: list[AliasSpec] = field(default_factory=list)
    auto_aliases: bool = False
    advertised_address: str = ""
    advertised_port: int = 0
    udp_workers: int = 8
    tcp_workers: int = 8
    timer_workers: int = 1
    worker_profiles: dict[str, str] = field(default_factory=dict)
    """Name of the scaling profile by udp_workers, tcp_workers, timer_workers."""
    auto_scaling_profiles: list[ScalingProfile] = field(default_factory=list)
    auto_scaling_cycle: int = 1
    # TCP and IP
    tcp_accept_aliases: int = 0
    tcp_connect_timeout: int = 100
    """Milliseconds."""
    tcp_connection_lifetime: int = 120
    """Seconds."""
    tcp_socket_backlog: int = 10
    tcp_max_connections: int = 2048
    tcp_no_new_conn_bflag: str = ""
    tcp_no_new_conn_rplflag: str = ""
    tcp_keepalive: bool = True
    tcp_keepcount: int | None = None
    tcp_keepidle: int | None = None
    tcp_keepinterval: int | None = None
    tcp_max_msg_time: int = 4
    """Seconds."""
    tcp_parallel_read_on_workers: bool = False
    mhomed: bool = False
    mcast_loopback: bool = False
    mcast_ttl: int = -1
    tos: int | str = "IPTOS_LOWDELAY"
    poll_method: str = ""
    open_files_limit: int = -1
    maxbuffer: int = 262144
    # SIP
    check_via: bool = False
    sip_warning: bool = False
    server_signature: bool = True
    server_header: str = ""
    """Whole header line; empty: the server's own."""
    user_agent_header: str = ""
    disable_stateless_fwd: bool | None = None
    """None: stateless forwarding works only when forward() stands somewhere in the script."""
    disable_503_translation: bool = False
    # DNS
    dns: bool = False
    rev_dns: bool = False
    dns_try_ipv6: bool = False
    dns_try_naptr: bool = True
    dns_retr_time: int | None = None
    dns_retr_no: int | None = None
    dns_servers_no: int | None = None
    dns_use_search_list: bool | None = None
    disable_dns_failover: bool = False
    disable_dns_blacklist: bool = True
    dst_blacklists: list[BlacklistSpec] = field(default_factory=list)
    # script
    max_while_loops: int = 10000
    enable_asserts: bool = False
    abort_on_assert: bool = False
    # watching; microseconds
    exec_msg_threshold: int = 0
    exec_dns_threshold: int = 0
    tcp_threshold: int = 0
    event_shm_threshold: int = 0
    event_pkg_threshold: int = 0
    # databases
    query_buffer_size: int = 0
    query_flush_time: int = 0
    db_version_table: str = "version"
    db_default_url: str = ""
    db_max_async_connections: int = 10
    # memory
    shm_hash_split_percentage: int = 1
    shm_secondary_hash_size: int = 8
    mem_warming: bool = False
    mem_warming_pattern_file: str = ""
    mem_warming_percentage: int = 75
    memlog: int = 15
    memdump: int = 14
    shm_memlog_size: int = 0
    mem_groups: list[tuple[str, str]] = field(default_factory=list)
    restart_persistency_cache_file: str = ""
    restart_persistency_size: int = 0
    # the process
    disable_core_dump: bool = False
    chroot: str = ""
    workdir: str = ""
    compat: str = ""
    """The release the script asks to be run as; empty: the one of the command line."""
    mpath: list[str] = field(default_factory=list)
    """Folders where loadmodule looks, in order."""

    explicit: set[str] = field(default_factory=set)
    """Canonical names that the script set (`socket` for `sockets`, `alias`, `dst_blacklist`, `auto_scaling_profile`)."""
    warnings: list[ConfigWarning] = field(default_factory=list)
