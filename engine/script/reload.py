"""reload_routes: the routes of the changed script in place of those that run.

Only routing blocks are taken: loadmodule, modparam and global parameters of the new text are ignored, so functions of a
module that was not loaded at start are unknown. The new text is read, compiled with all fixups and shown to every module's
cfg_validate before anything is replaced; then server.script changes in one assignment. Runs that wait hold the old Script
until they end. Timer routes are replaced as a whole; an event that only the new text names stays unknown; the startup_route
does not run again.
"""

from __future__ import annotations

from typing import Any

from engine.registry import Registry
from engine.script.compiler import Compiler
from engine.script.loader import log_warnings
from engine.script.parser import parse_file
from engine.script.script import Script


def reload_routes(server: Any) -> Script:
    """Read server.cfg_path again and take over its routes. ConfigErrors: refused, nothing has changed."""
    registry: Registry = server.registry
    tree = parse_file(server.cfg_path, preprocessor_cmd=server.preprocessor)
    names = registry.route_names
    try:
        compiler = Compiler(server, registry, tree, server.settings, live_params=server.compat == "3.1")
        script = compiler.compile()
        registry.validate_all(script)
    except BaseException:
        registry.route_names = names
        raise
    log_warnings(server.log, script.warnings)
    server.script = script
    server.start_timer_routes(script)
    return script
