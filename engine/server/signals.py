"""Signals: SIGTERM and SIGINT stop in order, SIGHUP reads the routes again, SIGUSR1, SIGUSR2 and SIGPIPE are ignored.

OpenSIPS ignores SIGHUP as well; reloading on it is ours and does exactly what the MI command reload_routes does.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.errors import ConfigErrors, OpensipsError
from engine.script.diagnostics import render
from engine.server.notify import Notifier

if TYPE_CHECKING:
    from engine.server.core import Server


def install(server: Server, stop: Callable[[], None], systemd: Notifier) -> None:
    """Set the handlers; the server's loop runs them. stop(): called once, at the first request to stop."""
    loop = server.loop
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)

    def reload() -> None:
        systemd.reloading()
        reload_on_signal(server)
        systemd.ready(server.status())

    loop.add_signal_handler(signal.SIGHUP, lambda: server.workers.run(reload))
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def reload_on_signal(server: Server) -> bool:
    """Take over the routes of the changed script; a bad one is logged with all its errors and the old one goes on."""
    try:
        server.reload_routes()
    except ConfigErrors as errors:
        for line in render(errors.errors).splitlines():
            server.log.error("%s", line)
        server.log.error("reload failed, the old routes go on")
        return False
    except OpensipsError as error:
        server.log.error("reload failed, the old routes go on: %s", error)
        return False
    server.log.notice("routes reloaded from %s", server.cfg_path)
    return True
