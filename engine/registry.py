"""The loaded modules of one server and what they offer: name -> export, and the order in which they start.

`loadmodule` makes the instance and reads its export table (engine.module) once; `modparam` sets values on it; resolve()
replaces needs() and wants() by the other modules' instances; init_all, start_all and stop_all go through the modules so
that whoever is needed starts first and stops last. The checker and the compiler look names up in the tables here, the MI
and the statistics do the same. The core's own functions and variables are Module classes as well, under the name "core".
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import modules as module_package
from engine.errors import ConfigError, ConfigErrors, ModparamError, UnknownName
from engine.module import (
    Dependency, FunctionDecl, MiDecl, Module, event, function_decls, modparam, pvar, stat, transformation,
)
from engine.script.flags import FlagNames
from engine.script.nodes import ConfigWarning, Pos
from engine.similar import nearest

CORE: Final = "core"
"""Name of the core's own Module classes; several instances share it."""

# Modules that became part of the core; loading them says so and does no harm.
_IN_CORE: Final = {"event_route": "event routes are part of the core since 3.6, the module is not needed any more"}


@dataclass(slots=True)
class Exports:
    """What a Module class declares, read once per class."""

    functions: list[FunctionDecl] = field(default_factory=list)
    params: dict[str, modparam] = field(default_factory=dict)
    dependencies: dict[str, Dependency] = field(default_factory=dict)
    pvars: list[pvar] = field(default_factory=list)
    transformations: list[transformation] = field(default_factory=list)
    mi_commands: list[MiDecl] = field(default_factory=list)
    events: dict[str, event] = field(default_factory=dict)
    stats: dict[str, stat] = field(default_factory=dict)


def mi_recipes(method: Any) -> list[list[str]]:
    """The sets of parameter names an MI method takes: the required ones, then each optional one added in turn."""
    recipe: list[str] = []
    recipes: list[list[str]] = []
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        if parameter.default is not inspect.Parameter.empty:
            recipes.append(list(recipe))
        recipe.append(parameter.name)
    recipes.append(recipe)
    return recipes


def read_exports(cls: type[Module]) -> Exports:
    """The export table of a Module class, mixins included; a name redefined in a subclass counts once."""
    table: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base is not object and base is not Module:
            table.update(vars(base))
    exports = Exports()
    for attr, item in table.items():
        if isinstance(item, modparam):
            exports.params[item.name] = item
        elif isinstance(item, Dependency):
            exports.dependencies[attr] = item
        elif isinstance(item, pvar):
            exports.pvars.append(item)
        elif isinstance(item, transformation):
            exports.transformations.append(item)
        elif isinstance(item, event):
            exports.events[attr] = item
        elif isinstance(item, stat):
            exports.stats[attr] = item
        elif inspect.isfunction(item):
            exports.functions += function_decls(cls, attr, item)
            marks = getattr(item, "__mi_command__", None)
            if marks is not None:
                name, text, recipes, named_only = marks
                exports.mi_commands.append(
                    MiDecl(name, attr, text or inspect.getdoc(item) or "", recipes or mi_recipes(item), named_only, item)
                )
    return exports


class Registry:
    """All modules of one server. Errors are raised as ConfigError (with the place given) or ConfigErrors."""

    def __init__(self, server: Any, package: ModuleType = module_package) -> None:
        self.server = server
        self.package = package
        """Where modules live that no mpath provides."""
        self.mpaths: list[str] = []
        """Folders looked through first, in order: `mpath` of the script."""
        self.modules: dict[str, Module] = {}
        """Name -> instance, in the order of loadmodule; without the core."""
        self.core: list[Module] = []
        self.exports: dict[int, Exports] = {}
        """id(instance) -> its export table."""
        self.places: dict[str, Pos | None] = {}
        """Name -> where the loadmodule stands."""
        self.functions: dict[str, list[tuple[Module, FunctionDecl]]] = {}
        self.pvars: dict[str, tuple[Module, pvar]] = {}
        self.transformations: dict[str, tuple[Module, transformation]] = {}
        """"class.func" in lower case -> (instance, declaration)."""
        self.mi_commands: dict[str, tuple[Module, MiDecl]] = {}
        self.flag_names = FlagNames("message")
        """Names of message flags; they keep their bits over a reload, because transactions hold masks."""
        self.branch_flag_names = FlagNames("branch")
        self.route_names: dict[str, set[str]] = {}
        """Kind ("request", "failure", "branch", "onreply" ...) -> names of the script being compiled: for the fixups of
        functions that take a route's name."""
        self.contexts: dict[str, Any] = {}
        """What modules add to `$(<name>...)`: name -> function of a Context that gives the Context to read in, or None."""
        self.reads_returned = False
        """Some module reads what routes return besides their code; set in mod_init. Otherwise only scripts do."""
        self.warnings: list[ConfigWarning] = []
        self.started: list[Module] = []

    # ------------------------------------------------------------------------------------------------------ loading
    def load_core(self, classes: Iterable[type[Module]]) -> None:
        """Add the core's own functions and variables."""
        for cls in classes:
            self.core.append(self._instance(cls, CORE))

    def load(self, path: str, pos: Pos | None = None) -> Module:
        """`loadmodule path`: make the instance and enter what it offers. ConfigError: unknown, broken or loaded before."""
        if not path.endswith(".so"):
            raise _at(ConfigError(f"module {path!r} not found", hint=f'write loadmodule "{path}.so"'), pos)
        name = Path(path).name.removesuffix(".so")
        if name in self.modules:
            raise _at(ConfigError(f"module {name} is loaded already"), pos)
        cls = self._find(name, pos)
        self.places[name] = pos
        if name in _IN_CORE and pos is not None:
            self.warnings.append(ConfigWarning(pos, _IN_CORE[name]))
        instance = self._instance(cls, name)
        self.modules[name] = instance
        return instance

    def _find(self, name: str, pos: Pos | None) -> type[Module]:
        """The class that the module's file exports."""
        try:
            loaded = self._from_mpath(name)
            if loaded is None:
                if name not in self.known_modules():
                    raise UnknownName(f"module {name} not found", hint=nearest(name, self.known_modules()))
                loaded = importlib.import_module(f"{self.package.__name__}.{name}")
            cls = getattr(loaded, "exports", None)
        except ConfigError as error:
            raise _at(error, pos) from None
        except ModuleNotFoundError as error:
            raise _at(ConfigError(
                f"module {name} cannot be loaded: it needs the Python package {error.name}", hint=f"pip install {error.name}",
            ), pos) from error
        except Exception as error:
            raise _at(ConfigError(f"module {name} cannot be loaded: {type(error).__name__}: {error}"), pos) from error
        if not (isinstance(cls, type) and issubclass(cls, Module)):
            raise _at(ConfigError(f"module {name} cannot be loaded by a script", hint="its file exports no module"), pos)
        return cls

    def _from_mpath(self, name: str) -> ModuleType | None:
        """The Python module of that name in one of the mpath folders, or None."""
        for folder in self.mpaths:
            for file in (Path(folder) / f"{name}.py", Path(folder) / name / "__init__.py"):
                if not file.is_file():
                    continue
                full = f"{self.package.__name__}.{name}"
                found = sys.modules.get(full)
                if found is not None and getattr(found, "__file__", None) == str(file):
                    return found
                places = [str(file.parent)] if file.name == "__init__.py" else None
                spec = importlib.util.spec_from_file_location(full, file, submodule_search_locations=places)
                if spec is None or spec.loader is None:
                    continue
                made = importlib.util.module_from_spec(spec)
                sys.modules[full] = made
                try:
                    spec.loader.exec_module(made)
                except BaseException:
                    del sys.modules[full]
                    raise
                return made
        return None

    def known_modules(self) -> set[str]:
        """Names that loadmodule can find: those of the package and of the mpath folders."""
        names = {info.name for info in pkgutil.iter_modules(self.package.__path__)}
        for folder in self.mpaths:
            names |= {info.name for info in pkgutil.iter_modules([folder])}
        return names - {"shared"}

    def _instance(self, cls: type[Module], name: str) -> Module:
        """An instance with its defaults, entered into all tables."""
        exports = read_exports(cls)
        instance: Any = cls()
        instance.name = name
        instance.server = self.server
        instance.log = self.server.log.bound(name)
        self.exports[id(instance)] = exports
        for param in exports.params.values():
            setattr(instance, param.attr, list(param.default or ()) if param.multi else param.default)
        for decl in exports.functions:
            self.functions.setdefault(decl.name, []).append((instance, decl))
        for variable in exports.pvars:
            for text in variable.names:
                self.pvars[text] = (instance, variable)
        for item in exports.transformations:
            self.transformations[item.name] = (instance, item)
        for command in exports.mi_commands:
            self.mi_commands[command.name] = (instance, command)
        for attr, declared in exports.events.items():
            setattr(instance, attr, self.server.events.define(declared.name, declared.params))
        for attr, counted in exports.stats.items():
            setattr(instance, attr, self._statistic(instance, name, counted))
        return instance  # type: ignore[no-any-return]

    def _statistic(self, instance: Module, name: str, item: stat) -> Any:
        """The counter of a stat() declaration, or the gauge that asks the instance."""
        group = item.group or name
        if item.value is not None:
            return self.server.stats.register(group, item.name, getattr(instance, item.value), no_reset=item.no_reset)
        return self.server.stats.counter(group, item.name, item.no_reset, item.gauge)

    # ---------------------------------------------------------------------------------------------------- modparams
    def set_param(self, pattern: str, name: str, value: int | str, pos: Pos | None = None) -> None:
        """`modparam(pattern, name, value)` for every loaded module whose name matches as a whole, case ignored."""
        try:
            regex = re.compile(pattern, re.IGNORECASE)
        except re.error as error:
            raise _at(ConfigError(f"bad regular expression {pattern!r} in modparam: {error}"), pos) from None
        matching = [instance for text, instance in self.modules.items() if regex.fullmatch(text)]
        if not matching:
            hint = nearest(pattern, self.modules)
            if not hint and pattern in self.known_modules():
                hint = f'loadmodule "{pattern}.so" must come first'
            hint = hint or f"no module {pattern} is loaded"
            raise _at(UnknownName(f"Parameter <{name}> not found in module <{pattern}> - can't set", hint=hint), pos)
        for instance in matching:
            self._set_one(instance, name, value, pos)

    def _set_one(self, instance: Module, name: str, value: int | str, pos: Pos | None) -> None:
        params = self.exports[id(instance)].params
        param = params.get(name)
        refused = f"Parameter <{name}> not found in module <{instance.name}> - can't set"
        if param is None:
            raise _at(UnknownName(refused, hint=nearest(name, params)), pos)
        if not param.both and isinstance(value, str) != (param.type is str):
            wanted = "a string" if param.type is str else "a number"
            raise _at(ModparamError(refused, hint=f"it takes {wanted}, not {value!r}"), pos)
        try:
            converted = param.convert(value)
        except ConfigError as error:
            raise _at(error, pos) from None
        if param.multi:
            getattr(instance, param.attr).append(converted)
        else:
            setattr(instance, param.attr, converted)
        if param.effect and pos is not None:
            text = f'modparam("{instance.name}", "{name}", ...) has no effect here: {param.effect}'
            self.warnings.append(ConfigWarning(pos, text, "info"))

    # ----------------------------------------------------------------------------------------------------- lifecycle
    def resolve(self) -> None:
        """Replace needs() and wants() by instances. ConfigErrors: every module that is missing."""
        errors: list[ConfigError] = []
        for instance in [*self.core, *self.modules.values()]:
            for attr, wanted in self.exports[id(instance)].dependencies.items():
                other = self.modules.get(wanted.module)
                if other is None and wanted.required:
                    text = f"module {instance.name} depends on module {wanted.module}, but it was not loaded!"
                    errors.append(_at(
                        ConfigError(text, hint=f'add loadmodule "{wanted.module}.so"'), self.places.get(instance.name),
                    ))
                setattr(instance, attr, other)
        if errors:
            raise ConfigErrors(errors)

    def order(self) -> list[Module]:
        """All instances, each behind those it needs and, where no circle forbids it, behind those it wants."""
        done: dict[int, Module] = {}
        open_: set[int] = set()

        def visit(instance: Module) -> None:
            if id(instance) in done or id(instance) in open_:
                return
            open_.add(id(instance))
            wanted = self.exports[id(instance)].dependencies.values()
            for dependency in sorted(wanted, key=lambda item: not item.required):
                other = self.modules.get(dependency.module)
                if other is not None:
                    visit(other)
            done[id(instance)] = instance

        for each in [*self.core, *self.modules.values()]:
            visit(each)
        return list(done.values())

    def init_all(self) -> None:
        """mod_init() of every module. ConfigErrors: all that refuse, each with the place of its loadmodule."""
        errors: list[ConfigError] = []
        for instance in self.order():
            try:
                instance.mod_init()
            except ConfigErrors as several:
                errors += several.errors
            except ConfigError as error:
                errors.append(_at(error, self.places.get(instance.name)))
        if errors:
            raise ConfigErrors(errors)

    async def start_all(self) -> None:
        """child_init() of every module, in order."""
        for instance in self.order():
            self.started.append(instance)
            await instance.child_init()

    async def stop_all(self) -> None:
        """destroy() of what was started, last one first; a failing one is logged and does not stop the others."""
        while self.started:
            instance = self.started.pop()
            try:
                await instance.destroy()
            except Exception as error:
                self.server.log.error("module %s could not be stopped: %r", instance.name, error)

    def validate_all(self, script: Any) -> None:
        """Ask every module's cfg_validate. ConfigErrors: all that object."""
        errors: list[ConfigError] = []
        for instance in self.order():
            try:
                instance.cfg_validate(script)
            except ConfigErrors as several:
                errors += several.errors
            except ConfigError as error:
                errors.append(error)
        if errors:
            raise ConfigErrors(errors)

    # ------------------------------------------------------------------------------------------------------- lookup
    def get(self, name: str) -> Module | None:
        """The instance of a module, or None."""
        return self.modules.get(name)

    def function_names(self) -> Iterable[str]:
        """All names a script may call."""
        return self.functions.keys()


def _at(error: ConfigError, pos: Pos | None) -> ConfigError:
    """The error with a place, unless it has one."""
    if pos is not None and not error.line:
        error.file, error.line, error.column, error.end_column = pos.file, pos.line, pos.column, pos.end_column
    return error
