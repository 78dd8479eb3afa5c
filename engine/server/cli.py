"""The command `opensips-like`: check a script, show its Python, or run it."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import sys
from collections.abc import Callable

import engine
from engine.errors import ConfigErrors, OpensipsError
from engine.log import LogRoot
from engine.script.diagnostics import render, to_json
from engine.script.globals import resolve_globals
from engine.script.parser import parse_file, parse_text
from engine.server import daemon, signals
from engine.server.core import Server
from engine.server.notify import Notifier
from engine.server.options import USAGE, Options, UsageError, parse

FAILED = 255
"""Exit status of everything that did not work."""
STOP_LIMIT = 60.0
"""Seconds an orderly stop may take."""


def version_text() -> str:
    """What -V prints."""
    machine = f"{platform.machine()}/{platform.system().lower()}"
    return f"version: opensips-like {engine.__version__} ({machine}), scripts of OpenSIPS 3.1 to 3.6"


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit status: 0, or 255 when something is wrong."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["demo"]:
        from engine.server import demo

        return int(demo.main() or 0)
    if words[:1] == ["db"]:
        from engine.server import dbtool

        return dbtool.main(words[1:])
    if words[:1] == ["port"]:
        from engine.server import port

        return port.main(words[1:])
    log = LogRoot()
    try:
        options = parse(words)
    except UsageError as error:
        log.error("%s", error)
        return FAILED
    if options.version:
        print(version_text())
        return 0
    if options.help:
        print(version_text())
        print(USAGE, end="")
        return 0
    try:
        return _run(options, words, log)
    except ConfigErrors as errors:
        _show(errors, options, log)
        return FAILED
    except OpensipsError as error:
        log.critical("%s", error)
        return FAILED
    except Exception as error:
        log.exception(error, "the server cannot start")
        return FAILED
    finally:
        log.flush()


def _show(errors: ConfigErrors, options: Options, log: LogRoot) -> None:
    """Print the errors of a script, for people or for programs."""
    log.flush()
    if options.json:
        print(to_json(errors))
        return
    text = render(errors)
    sys.stderr.buffer.write(text.encode("latin-1", "replace"))
    if not text.endswith("\n"):
        sys.stderr.buffer.write(b"\n")
    sys.stderr.buffer.flush()
    log.error("failed to load the script %s", options.cfg)


def _run(options: Options, words: list[str], log: LogRoot) -> int:
    if options.chroot:
        daemon.change_root(options.chroot)
    # The script's own path counts from where we were started, everything inside it from the working directory.
    cfg = options.cfg if options.cfg == "-" or not options.workdir else os.path.abspath(options.cfg)
    if options.workdir:
        daemon.change_directory(options.workdir)
    server = Server(log=log, compat=options.compat)
    server.argv = ["opensips-like", *words]
    server.options = options.values
    server.cfg_path = cfg
    server.preprocessor = options.preprocessor
    server.overrides.append(options.apply)
    if options.check or options.show_python:
        return _check(server, options)
    text = sys.stdin.buffer.read().decode("latin-1") if cfg == "-" else None
    child = daemon.Daemon()
    options.foreground = options.foreground or options.debug or _wants_foreground(server, text)
    if not options.foreground:
        status = child.fork()
        if status is not None:
            return status
    try:
        return _serve(server, options, child, text)
    finally:
        child.ready(FAILED)


def _check(server: Server, options: Options) -> int:
    """-C: read, load the modules, check and compile; nothing is opened."""
    loop = asyncio.new_event_loop()
    server.loop = loop
    try:
        server.load(sys.stdin.buffer.read().decode("latin-1") if server.cfg_path == "-" else None)
    finally:
        loop.close()
    if options.show_python:
        for _, text in server.script.python:
            print(text)
        return 0
    if options.json:
        print(to_json([], server.script.warnings))
    server.log.notice("config file ok, exiting...")
    return 0


def _tune_garbage() -> None:
    """What start-up made stays: take it out of collections. Messages make garbage without cycles, so look for it rarely.

    Measured with 5000 registrations and 500 calls a second: Python's own 700 objects cost 160 µs a call and pauses of 180 ms; at
    20 000 nothing is collected, because what calls make they free again (tests/modules/test_tm_memory.py). While 60 000 phones
    register it is 9 collections, 0.6 µs a REGISTER, 9 ms the longest; 50 000 saves 0.2 µs more for longer pauses. The second
    generation is looked through after two collections of the first, 60 000 objects: after ten it took 150 ms when 1000 calls a
    second began, longer than a socket's buffer lasts. Everything is looked through when three million objects have come.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 2, 50)


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop where it is installed, else the standard one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _wants_foreground(server: Server, text: str | None) -> bool:
    """Does the script say debug_mode? Its mistakes are told later, by the one who runs it."""
    try:
        tree = parse_text(text, "-") if text is not None else parse_file(
            server.cfg_path, preprocessor_cmd=server.preprocessor)
        return resolve_globals(tree, server.compat).debug_mode
    except OpensipsError:
        return False


def _serve(server: Server, options: Options, child: daemon.Daemon, text: str | None) -> int:
    """Start, run until told to stop, stop."""
    log = server.log
    loop = new_loop()
    asyncio.set_event_loop(loop)
    server.loop = loop
    files: list[daemon.PidFile] = []
    try:
        server.load(text)
        for sentence in options.no_effect:
            log.info("%s", sentence)
        if server.settings.chroot and not options.chroot:
            daemon.change_root(server.settings.chroot)
        if server.settings.workdir and not options.workdir:
            daemon.change_directory(server.settings.workdir)
        # Before anybody opens a socket or database: a second start must not disturb the first one.
        files += [daemon.PidFile(options.pid_file)] if options.pid_file else []
        files += [daemon.PidFile(options.pgid_file, group=True)] if options.pgid_file else []
        loop.run_until_complete(_live(server, options, lambda: child.ready(0)))
    finally:
        for file in files:
            file.remove()
        log.buffer_with(None)
        server.sockets.close()
        loop.close()
    return 0


async def _live(server: Server, options: Options, ready: Callable[[], None]) -> None:
    """The life of a loaded server."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    systemd = Notifier()
    server.stop_requested = stopped.set
    signals.install(server, stopped.set, systemd)
    try:
        await server.start()
        if options.user or options.group:
            daemon.change_user(options.user, options.group)
        ready()
        if not options.foreground:
            daemon.Daemon.detach(server.settings.log_stdout, server.settings.stderror_enabled)
        _tune_garbage()
        server.log.notice("opensips-like %s is up, listening on %s", engine.__version__, ", ".join(
            socket.name for socket in server.sockets.all))
        systemd.ready(server.status())
        server.timers.every(10.0, lambda: systemd.status(server.status()))
        if systemd.alive_every:
            server.timers.every(systemd.alive_every, systemd.alive)
        server.log.buffer_with(loop.call_soon)
        await stopped.wait()
        server.log.notice("stopping")
        systemd.stopping()
    finally:
        server.log.buffer_with(None)
        try:
            await asyncio.wait_for(server.stop(), STOP_LIMIT)
        except TimeoutError:
            server.log.critical("the modules did not stop within %d seconds", STOP_LIMIT)


