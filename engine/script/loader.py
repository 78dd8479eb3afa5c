"""From the file of a script to a Script that can run: parse, load the modules, check, initialise, compile.

The order is OpenSIPS' own: modules and their parameters in the order of the text, dependencies, sockets, mod_init of every
module, then the routes with the fixups of their functions, then cfg_validate. Mistakes are collected as far as one step
allows the next, and raised together in the order of the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.errors import ConfigError, ConfigErrors
from engine.module import Module
from engine.registry import Registry
from engine.script import nodes
from engine.script.compiler import Compiler, in_order
from engine.script.functions import CORE_MODULES as FUNCTIONS
from engine.script.globals import release_of, resolve_globals
from engine.script.lint import lint
from engine.script.nodes import ConfigWarning
from engine.script.parser import SyntaxErrors, parse_file, parse_text
from engine.script.script import Script
from engine.script.settings import Settings
from engine.script.variables import CORE_MODULES as VARIABLES


def load_script(
    server: Any, path: str, *, text: str | None = None, preprocessor_cmd: str | None = None, compat: str = "3.6",
    core_modules: Iterable[type[Module]] = (),
) -> Script:
    """Read the script at path (or the text given, under that name) for a server that has none yet.

    The server's configure() gets the settings, open_protocols() is called when the modules have their parameters.
    core_modules: further classes to load under the name "core". ConfigErrors: everything found.
    """
    core = [*VARIABLES, *FUNCTIONS, *core_modules]
    try:
        tree = parse_file(path, preprocessor_cmd=preprocessor_cmd) if text is None else parse_text(
            text, path, preprocessor_cmd=preprocessor_cmd,
        )
    except SyntaxErrors as mistakes:
        if mistakes.tree is not None:
            judge_names(server, mistakes.tree, mistakes.errors, core)
        raise
    compat = release_of(tree, compat)
    server.speak(compat)
    settings = resolve_globals(tree, compat)
    server.configure(settings)
    registry: Registry = server.registry
    registry.mpaths = list(settings.mpath)
    registry.load_core(core)
    known, errors = load_modules(registry, tree)
    errors += _step(registry.resolve)
    initialised = not errors
    if initialised:
        errors += _step(server.open_protocols)
    if not errors:
        errors += _step(registry.init_all)
        initialised = not errors
    compiler = Compiler(
        server, registry, tree, settings, live_params=compat == "3.1", known=known, fixups=initialised and not errors,
    )
    errors += _step(compiler.compile)
    script = compiler.script
    if not errors:
        errors += _step(lambda: registry.validate_all(script))
    script.warnings[:0] = [*settings.warnings, *registry.warnings]
    if errors:
        raise ConfigErrors(in_order(errors, tree), script.warnings)
    script.warnings += lint(tree, registry, compat)
    log_warnings(server.log, script.warnings)
    return script


def judge_names(server: Any, tree: nodes.Script, errors: list[ConfigError], core: list[type[Module]]) -> None:
    """Add to the mistakes in the syntax those in names, parameters and routes; nothing of the script can run afterwards.

    What stands on a line with a mistake in its syntax is not judged: it was put together from what could be read.
    """
    registry: Registry = server.registry
    registry.mpaths = [
        str(param.value.value) for param in tree.globals if param.name == "mpath" and isinstance(param.value, nodes.Const)
    ]
    registry.load_core(core)
    known, found = load_modules(registry, tree)
    found += _step(Compiler(server, registry, tree, Settings(), known=known, fixups=False).compile)
    broken = {(error.file, error.line) for error in errors}
    said = {error.message for error in errors}  # what the parser and the compiler both see is told at the parser's place
    errors += [error for error in found if (error.file, error.line) not in broken and error.message not in said]
    errors[:] = in_order(errors, tree)


def _step(call: Any) -> list[ConfigError]:
    """The errors of one step."""
    try:
        call()
    except ConfigErrors as several:
        return several.errors
    except ConfigError as error:
        return [error]
    return []


def load_modules(registry: Registry, tree: nodes.Script) -> tuple[dict[int, frozenset[str]], list[ConfigError]]:
    """Load modules and set parameters in the order of the text.

    Gives what each route may use, id(route) -> names of the modules loaded before it, and the errors.
    """
    known: dict[int, frozenset[str]] = {}
    errors: list[ConfigError] = []
    for item in tree.items:
        try:
            if isinstance(item, nodes.LoadModule):
                registry.load(item.path, item.pos)
            elif isinstance(item, nodes.ModParam):
                registry.set_param(item.modules, item.name, item.value, item.pos)
            elif isinstance(item, nodes.Route):
                known[id(item)] = frozenset(registry.modules)
        except ConfigError as error:
            errors.append(error)
    return known, errors


def log_warnings(log: Any, warnings: list[ConfigWarning]) -> None:
    """Tell the author: warnings as such, what has no effect here as information. Each sentence about one place once."""
    said: set[tuple[nodes.Pos, str]] = set()
    for warning in warnings:
        if (warning.pos, warning.message) in said:
            continue
        said.add((warning.pos, warning.message))
        line = f"{warning.pos.file}:{warning.pos.line}: {warning.message}"
        if warning.level == "info":
            log.info("%s", line)
        else:
            log.warning("%s", line)
