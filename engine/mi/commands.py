"""Core MI commands about the server itself: which, help, version, uptime, ps, log levels, reload_routes, connections ..."""

from __future__ import annotations

import gc
import os
import platform
import time
from typing import Any, Final

from engine.errors import ConfigErrors, MiError, OpensipsError
from engine.mi.jsonrpc import JSON_NULL, bad_params
from engine.module import Module, mi_command

VERSION: Final = "3.6.8"
"""The OpenSIPS version whose behaviour this server has."""


_STATES: Final = {"open": 0, "connecting": 3}
"""Numbers OpenSIPS has for the state of a connection."""


def server_text() -> str:
    """What stands in Server and User-Agent headers and what `version` answers, e.g. OpenSIPS (3.6.8 (x86_64/linux))."""
    return f"OpenSIPS ({VERSION} ({platform.machine()}/{platform.system().lower()}))"


def clock_text(seconds: float) -> str:
    """A time as C's ctime() prints it, local time."""
    moment = time.localtime(seconds)
    return time.strftime("%a %b ", moment) + f"{moment.tm_mday:2d} " + time.strftime("%H:%M:%S %Y", moment)


_CORE_ORDER: Final = {name: i for i, name in enumerate((
    "get_statistics list_statistics reset_statistics reset_all_statistics uptime version pwd arg which ps kill "
    "log_level xlog_level log_level_filter log_mute_state shm_check cache_store cache_fetch cache_remove "
    "event_subscribe events_list subscribers_list raise_event list_tcp_conns mem_pkg_dump mem_shm_dump mem_rpm_dump "
    "reload_routes sr_get_status sr_list_status sr_list_reports sr_list_identifiers help list_blacklists "
    "check_blacklists check_blacklist add_blacklist_rule del_blacklist_rule tcp_trace"
).split())}
"""Where OpenSIPS lists the commands of its core; those of modules follow in the order of loading."""


class ServerCommands(Module):
    """The commands."""

    server: Any

    @mi_command("uptime", help="prints various time information about OpenSIPS - when it started to run, for how long it runs")
    def uptime(self) -> dict[str, str]:
        """Now, Up since, Up time."""
        now, start = time.time(), self.server.start_time
        return {
            "Now": clock_text(now), "Up since": clock_text(start), "Up time": f"{int(now - start)} [sec]",
        }

    @mi_command("version", help="tells which OpenSIPS this server behaves like", recipes=[[], ["revision"]])
    def version(self, revision: str = "") -> dict[str, str]:
        """Server; there is no revision to show."""
        return {"Server": server_text()}

    @mi_command("pwd", help="shows the working directory")
    def pwd(self) -> dict[str, str]:
        """WD."""
        return {"WD": os.getcwd()}

    @mi_command("arg", help="lists the arguments the server was started with")
    def arg(self) -> list[str]:
        """argv."""
        return list(self.server.argv)

    @mi_command("which", help="lists the MI commands, or the parameters of one", recipes=[[], ["command"]])
    def which(self, command: str | None = None) -> list[Any]:
        """Names, the core's first, then in the order of loading; with a command its recipes."""
        if command is None:
            return sorted(self.server.mi.names(), key=lambda name: _CORE_ORDER.get(name, len(_CORE_ORDER)))
        found = self.server.mi.command(command)
        if found is None:
            raise MiError(404, "unknown MI command")
        return [list(recipe) for recipe in found.recipes]

    @mi_command("help", help="tells what an MI command does", recipes=[[], ["mi_cmd"]])
    def help(self, mi_cmd: str | None = None) -> Any:
        """Help and the module it comes from."""
        if mi_cmd is None:
            return "Usage: help mi_cmd - returns information about 'mi_cmd'"
        found = self.server.mi.command(mi_cmd)
        if found is None:
            raise MiError(404, "unknown MI command")
        return {"Help": found.help or "not available for this command", "Exported by": found.module}

    def _processes(self) -> list[str]:
        """What OpenSIPS would have as processes; here they are parts of one. Modules may add theirs (process_titles())."""
        parts = [title for _, _, title in self.server.process_table()]
        extra = [
            title for module in self.server.registry.modules.values()
            for title in getattr(module, "process_titles", tuple)()
        ]
        return parts[:1] + extra + parts[1:]

    @mi_command("ps", help="lists the parts of the server as OpenSIPS lists its processes")
    def ps(self) -> dict[str, Any]:
        """Processes: ID, PID (the same for all), Type."""
        pid = os.getpid()
        return {"Processes": [
            {"ID": number, "PID": pid, "Type": text} for number, text in enumerate(self._processes())
        ]}

    @mi_command("kill", help="stops the server in an orderly way")
    def kill(self) -> None:
        """The answer goes out first."""
        self.server.loop.call_later(0.05, self.server.stop_requested)

    # ---------------------------------------------------------------- log

    @mi_command("log_level", help="shows or sets the log level")
    def log_level(self, level: int | None = None, pid: int | None = None) -> dict[str, Any]:
        """-3 ALERT, -2 CRITICAL, -1 ERROR, 1 WARNING, 2 NOTICE, 3 INFO, 4 DBG."""
        log = self.server.log
        if level is None:
            return {"Processes": [
                {"PID": os.getpid(), "Log level": log.level, "Type": text} for text in self._processes()
            ]}
        if pid is not None and pid != os.getpid():
            raise bad_params("Bad PID")
        log.default_level = level
        log.set_level(level)
        return {"Log level": level} if pid is not None else {"New global log level": level}

    @mi_command("xlog_level", help="shows or sets the level up to which xlog() prints")
    def xlog_level(self, level: int | None = None) -> dict[str, int]:
        """Levels as for log_level."""
        log = self.server.log
        if level is None:
            return {"xLog Level": log.xlog_level}
        log.default_xlog_level = level
        log.set_xlog_level(level)
        return {"New xLog level": level}

    def _target(self, consumer: str) -> Any:
        log = self.server.log
        found = {"stderror": log.stderror, "syslog": log.syslog, "event": log.event}.get(consumer)
        if found is None:
            raise MiError(404, "Unknown log consumer")
        return found

    @mi_command("log_level_filter", help="shows or sets up to which level stderror, syslog or event get lines")
    def log_level_filter(self, consumer: str, level_filter: int | None = None) -> dict[str, int] | None:
        """0: no filter of its own."""
        target = self._target(consumer)
        if level_filter is None:
            return {"Log level filter": target.level_filter}
        target.level_filter = level_filter
        return None

    @mi_command("log_mute_state", help="shows or sets whether stderror, syslog or event is silent")
    def log_mute_state(self, consumer: str, mute_state: int | None = None) -> dict[str, int] | None:
        """1: silent."""
        target = self._target(consumer)
        if mute_state is None:
            return {"mute state": int(target.muted)}
        target.muted = bool(mute_state)
        return None

    # ---------------------------------------------------------------- script, connections, memory

    @mi_command("reload_routes", help="reads the routes of the script anew; a broken script changes nothing")
    async def reload_routes(self) -> None:
        """500 when the new script is refused; the log says why."""
        try:
            done = self.server.reload_routes()
            if done is not None:
                await done
        except ConfigErrors as errors:
            for error in errors.errors:
                self.server.log.error("%s", error)
            raise MiError(500, "reload failed") from None
        except OpensipsError as error:
            self.server.log.error("%s", error)
            raise MiError(500, "reload failed") from None

    @mi_command("list_tcp_conns", help="lists the stream connections")
    def list_tcp_conns(self) -> Any:
        """Connections: ID, Type, State, Remote, Local, Lifetime (when it ends), Alias port; null without stream protocols."""
        transports = [one for one in self.server.sockets.transports.values() if one.is_stream]
        if not transports:
            return JSON_NULL
        return {"Connections": [
            self._connection(connection) for transport in transports for connection in transport.connections.values()
        ]}

    def _connection(self, connection: Any) -> dict[str, Any]:
        end = time.time() + connection.expires - self.server.now()
        shown = {
            "ID": connection.id, "Type": connection.proto, "State": _STATES.get(connection.state, 0),
            "Remote": f"{connection.ip}:{connection.port}", "Local": f"{connection.local_ip}:{connection.local_port}",
            "Lifetime": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(end)),
        }
        # OpenSIPS writes one member of this name per port; of those, readers of JSON keep the last.
        shown["Alias port"] = connection.aliases[-1] if connection.aliases else connection.port
        return shown

    @mi_command("tcp_trace", help="shows or switches the tracing of TCP connections", recipes=[[], ["trace_mode"]])
    def tcp_trace(self, trace_mode: str | None = None) -> dict[str, str] | None:
        """trace_mode: on or off; without it the state. 500: proto_tcp is not loaded."""
        module = self.server.registry.get("proto_tcp")
        if module is None:
            raise MiError(500, "TCP is not loaded")
        found: dict[str, str] | None = module.switch_trace("TCP tracing", trace_mode)
        return found

    @mi_command(
        "mem_pkg_dump", help="logs how many objects of each kind the server holds", recipes=[["pid"], ["pid", "log_level"]],
    )
    def mem_pkg_dump(self, pid: int, log_level: int = 0) -> None:
        """404 for a PID that is not the server's."""
        if pid != os.getpid():
            raise MiError(404, "Process not found")
        self._dump_memory()

    @mi_command("mem_shm_dump", help="logs how many objects of each kind the server holds", recipes=[[], ["log_level"]])
    def mem_shm_dump(self, log_level: int = 0) -> None:
        """The twenty most frequent kinds."""
        self._dump_memory()

    @mi_command("mem_rpm_dump", help="logs how many objects of each kind the server holds", recipes=[[], ["log_level"]])
    def mem_rpm_dump(self, log_level: int = 0) -> None:
        """There is one memory only."""
        self._dump_memory()

    @mi_command("shm_check", help="collects garbage")
    def shm_check(self) -> None:
        """Python's memory needs no checking."""
        gc.collect()

    def _dump_memory(self) -> None:
        counts: dict[str, int] = {}
        for item in gc.get_objects():
            name = type(item).__qualname__
            counts[name] = counts.get(name, 0) + 1
        for name, count in sorted(counts.items(), key=lambda pair: -pair[1])[:20]:
            self.server.log.notice("memory: %d x %s", count, name)
