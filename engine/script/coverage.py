"""What a script needs and what of it is here: modules, functions, parameters, variables, transformations, events, line by line.

The analysis reads the parsed script and the declarations of all modules (engine.script.catalogue), loads nothing and goes on
behind every gap, so that the author of a script learns everything at once. `opensips-like port FILE` prints it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from engine.errors import ConfigError
from engine.module import FunctionDecl
from engine.registry import CORE
from engine.script import nodes
from engine.script.calls import signature
from engine.script.catalogue import Catalogue
from engine.script.differences import difference
from engine.script.globals import PARAMETERS, REMOVED, check_globals
from engine.script.nodes import Pos
from engine.script.spellings import (
    CLASS_HOMES, FUNCTIONS, FUNCTION_HOMES, MODPARAMS, MODULES, NUMBERS, VARIABLES, WORDS, event_home, variable_home,
)
from engine.script.unit import KINDS, TITLES
from engine.script.usage import format_specs, specs_of, walk
from engine.script.varspec import VarSpec
from engine.similar import nearest

_BARE_WORD: Final = re.compile(r"bare word <(\w+)>|unexpected '(\w+)'|syntax error at '(\w+)'")

KIND_TITLES: Final = {
    "file": "Files", "syntax": "Not today's language", "global": "Global parameters", "module": "Modules",
    "function": "Functions", "argument": "Arguments", "parameter": "Module parameters", "variable": "Variables",
    "transformation": "Transformations", "event": "Events", "route": "Routes", "operator": "Operators",
}
"""Kind of finding -> heading, in the order of a report."""


@dataclass(slots=True)
class Finding:
    """One thing about a script, with all the places it stands at."""

    kind: str
    """A key of KIND_TITLES."""
    name: str
    message: str
    verdict: str
    """"missing" (the script cannot run), "change" (write it differently, cannot run as it is), "old" (works, has another spelling
    today), "differs" (works, with another effect)."""
    hint: str = ""
    """What to do."""
    module: str = ""
    """The module that is to blame, when it is another name than the finding's own."""
    places: list[Pos] = field(default_factory=list)

    @property
    def blocks(self) -> bool:
        """The script does not start because of it."""
        return self.verdict in ("missing", "change")


@dataclass(slots=True)
class Coverage:
    """The outcome for one script."""

    file: str
    findings: list[Finding] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    """Loaded by the script, in its order."""
    functions: set[str] = field(default_factory=set)
    """Called by the script."""
    parameters: int = 0
    """modparam lines."""
    variables: set[str] = field(default_factory=set)
    transformations: set[str] = field(default_factory=set)
    read: bool = True
    """The whole text could be parsed."""

    @property
    def complete(self) -> bool:
        """Everything is there: the script can be expected to start."""
        return not any(finding.blocks for finding in self.findings)

    def of(self, kind: str, *verdicts: str) -> list[Finding]:
        """The findings of a kind, of some verdicts or all."""
        return [one for one in self.findings if one.kind == kind and (not verdicts or one.verdict in verdicts)]


class Analysis:
    """Goes through one script; `result` is the outcome."""

    def __init__(self, tree: nodes.Script, catalogue: Catalogue, errors: list[ConfigError]) -> None:
        self.tree = tree
        self.catalogue = catalogue
        self.result = Coverage(tree.file)
        self.loaded: set[str] = {CORE}
        """Modules that the script loads and that are here."""
        self.absent: set[str] = set()
        """Modules that the script loads and that are not."""
        self.bad_lines = {(error.file, error.line) for error in errors}
        """Where the text was mended to go on reading: nothing more is said about these."""
        self._index: dict[tuple[str, str, str], Finding] = {}
        self._raised: set[str] = set()
        self._raises_any = False
        for error in errors:
            self._syntax(error)

    def note(self, kind: str, name: str, verdict: str, message: str, pos: Pos, hint: str = "", module: str = "") -> None:
        """Add a finding, or a place to the one there is."""
        found = self._index.get((kind, name, message))
        if found is None:
            found = Finding(kind, name, message, verdict, hint, module)
            self._index[kind, name, message] = found
            self.result.findings.append(found)
        if pos not in found.places:
            found.places.append(pos)

    def run(self) -> Coverage:
        """The whole analysis."""
        result = self.result
        for item in self.tree.items:
            if isinstance(item, nodes.LoadModule):
                self._module(item)
        for name in self.loaded - {CORE}:
            for wanted in self.catalogue.modules[name].exports.dependencies.values():
                if wanted.required and wanted.module not in self.loaded | self.absent:
                    pos = next(item.pos for item in self.tree.items if isinstance(item, nodes.LoadModule)
                               and _module_name(item.path) == name)
                    self.note("module", wanted.module, "missing", f"module {name} depends on module {wanted.module}", pos,
                              f'add loadmodule "{wanted.module}.so"')
        self._globals()
        for item in self.tree.items:
            if isinstance(item, nodes.ModParam):
                result.parameters += 1
                self._modparam(item)
        for route in self.tree.routes:
            self._raises(route)
        for route in self.tree.routes:
            self._route(route)
        kinds = list(KIND_TITLES)
        result.findings.sort(key=lambda one: kinds.index(one.kind))
        return result

    # ------------------------------------------------------------------------------------------------------- the text
    def _syntax(self, error: ConfigError) -> None:
        self.result.read = False
        hint = error.hint
        word = _BARE_WORD.search(error.message)
        text = next((part for part in word.groups() if part), "") if word else ""
        if text in WORDS:
            hint = f"a condition of 1.x; today it is {WORDS[text]}"
        kind = "syntax" if error.line else "file"
        self.note(kind, text, "change", error.message, Pos(error.file, error.line, error.column, error.end_column), hint)

    def _globals(self) -> None:
        wrong, _ = check_globals([param for param in self.tree.globals if param.name in PARAMETERS])
        for error in wrong:
            pos = Pos(error.file, error.line, error.column, error.end_column)
            self.note("global", "", "change", error.message, pos, error.hint)
        for param in self.tree.globals:
            entry = PARAMETERS.get(param.name)
            if entry is None:
                removed = REMOVED.get(param.name)
                if removed:
                    self.note("global", param.name, "change", f"{param.name} does not exist any more", param.pos, removed)
                else:
                    self.note("global", param.name, "missing", f"unknown parameter {param.name}", param.pos,
                              nearest(param.name, PARAMETERS))
            elif entry.no_effect:
                self.note("global", param.name, "differs", f"{param.name} has no effect: {entry.no_effect}", param.pos)
            elif entry.deprecated:
                self.note("global", param.name, "old", f"{param.name} is an old name", param.pos, f"write {entry.canonical}")

    # ---------------------------------------------------------------------------------------------------------- modules
    def _module(self, item: nodes.LoadModule) -> None:
        name = _module_name(item.path)
        if name not in self.result.modules:
            self.result.modules.append(name)
        old = MODULES.get(name)
        if name in self.catalogue.modules:
            self.loaded.add(name)
            if not item.path.endswith(".so"):
                self.note("module", name, "change", f"module {item.path!r} is not found without .so", item.pos,
                          f'write loadmodule "{item.path}.so"')
            if old is not None:
                self.note("module", name, "old", f"module {name} is not needed" if old.new.startswith("nothing") else
                          f"module {name} is an old name", item.pos, old.new)
            return
        self.absent.add(name)
        broken = self.catalogue.broken.get(name)
        if broken:
            self.note("module", name, "missing", f"module {name} cannot be loaded on this machine: {broken}", item.pos)
        elif old is not None:
            self.note("module", name, "change", f"module {name} does not exist any more", item.pos, f"today: {old.new}")
        else:
            self.note("module", name, "missing", f"module {name} is not here", item.pos)

    def _modparam(self, item: nodes.ModParam) -> None:
        try:
            pattern = re.compile(item.modules, re.IGNORECASE)
        except re.error as error:
            self.note("parameter", item.name, "change", f"bad regular expression {item.modules!r}: {error}", item.pos)
            return
        here = [name for name in self.result.modules if pattern.fullmatch(name)]
        if not here:
            name = item.modules
            text = f"module {name}, which the parameter {item.name} is for, is not loaded"
            hint = f'add loadmodule "{name}.so"' if name in self.catalogue.modules else "remove the line"
            self.note("parameter", f"{name}.{item.name}", "change", text, item.pos, hint)
        for name in here:
            if name in self.loaded:
                self._one_param(name, item)

    def _one_param(self, name: str, item: nodes.ModParam) -> None:
        params = self.catalogue.modules[name].exports.params
        param = params.get(item.name)
        full = f"{name}.{item.name}"
        old = MODPARAMS.get((name, item.name))
        if param is None:
            if old is not None:
                text = f"{name} has no parameter {item.name} any more"
                self.note("parameter", full, "change", text, item.pos, f"today: {old.new}")
            else:
                text = f"{name} has no parameter {item.name}"
                self.note("parameter", full, "missing", text, item.pos, nearest(item.name, params))
            return
        try:
            param.convert(item.value)
        except ConfigError as error:
            self.note("parameter", full, "change", f"modparam {full}: {error.message}", item.pos, error.hint)
            return
        if param.effect:
            self.note("parameter", full, "differs", f"{full} has no effect: {param.effect}", item.pos)
        elif old is not None:
            self.note("parameter", full, "old", f"{full} is an old name", item.pos, f"today: {old.new}")

    # ----------------------------------------------------------------------------------------------------------- routes
    def _raises(self, route: nodes.Route) -> None:
        """Note which events the script raises itself."""
        for node in walk(route.body):
            if isinstance(node, nodes.Call) and node.name in ("raise_event", "route_to_event") and node.args:
                first = node.args[0]
                if isinstance(first, nodes.Const) and "$" not in str(first.value):
                    self._raised.add(str(first.value))
                else:
                    self._raises_any = True

    def _route(self, route: nodes.Route) -> None:
        if route.kind == "event":
            self._event(route)
        text = difference("route", route.kind)
        if text:
            self.note("route", TITLES[route.kind], "differs", f"{TITLES[route.kind]}: {text}", route.pos)
        asynchronous = set()
        for node in walk(route.body):
            if isinstance(node, nodes.Async | nodes.Launch):
                asynchronous.add(id(node.call))
            elif isinstance(node, nodes.Assign):
                text = difference("operator", node.op)
                if text:
                    self.note("operator", node.op, "differs", f"{node.op}: {text}", node.pos)
            if isinstance(node, nodes.Call):
                self._call(node, route, id(node) in asynchronous)
            elif isinstance(node, nodes.Var):
                self._variable(node.spec, node.pos)
            elif isinstance(node, nodes.Xlog | nodes.Xdbg):
                self._format(str(node.text.value), node.text.pos)
            elif isinstance(node, nodes.Launch) and node.param is not None:
                self._format(str(node.param.value), node.param.pos)

    def _event(self, route: nodes.Route) -> None:
        name = route.name
        modules = self.catalogue.events.get(name)
        if modules and not self.loaded.isdisjoint(modules) or name in self._raised or self._raises_any:
            return
        if modules:
            hint, home = f'add loadmodule "{modules[0]}.so"', modules[0]
        else:
            home = event_home(name)
            hint = f"it is one of module {home}" if home else ""
        self.note("event", name, "missing", f"nobody raises {name}", route.pos, hint, home)

    # ------------------------------------------------------------------------------------------------------------ calls
    def _call(self, node: nodes.Call, route: nodes.Route, is_async: bool) -> None:
        name = node.name
        self.result.functions.add(name)
        found = self.catalogue.functions.get(name, [])
        here = [(module, decl) for module, decl in found if module in self.loaded]
        if not here:
            self._no_function(node, [module for module, _ in found])
            self._strings(node, None)
            return
        fitting = [decl for _, decl in here if (decl.async_ok if is_async else decl.plain)]
        if not fitting:
            how = "cannot be called in async() or launch()" if is_async else "can be called in async() or launch() only"
            self.note("function", name, "change", f"{name}() {how}", node.pos)
            return
        decl = next((one for one in fitting if one.required <= len(node.args) <= len(one.params)), fitting[0])
        if not decl.routes & KINDS[route.kind] and (node.pos.file, node.pos.line) not in self.bad_lines:
            self.note("function", name, "change", f"{name}() may not stand in {TITLES[route.kind]}", node.pos)
        old = FUNCTIONS.get(name)
        text = difference("function", name)
        if old is not None:
            since = f" since {old.since}" if old.since else ""
            self.note("function", name, "old", f"{name}() is an old name{since}", node.pos, f"today: {old.new}")
        if text:
            self.note("function", name, "differs", f"{name}(): {text}", node.pos)
        self._arguments(node, decl)
        self._strings(node, decl)

    def _no_function(self, node: nodes.Call, elsewhere: list[str]) -> None:
        """A function that no loaded module has."""
        name = node.name
        old = FUNCTIONS.get(name)
        home = FUNCTION_HOMES.get(name, "")
        if elsewhere:
            self.note("function", name, "change", f"{name}() needs module {elsewhere[0]}, which is not loaded", node.pos,
                      f'add loadmodule "{elsewhere[0]}.so"', elsewhere[0])
        elif old is not None:
            self.note("function", name, "change", f"{name}() does not exist any more", node.pos, f"today: {old.new}", home)
        elif home:
            self.note("function", name, "missing", f"{name}() of module {home}", node.pos, "", home)
        else:
            usable = [one for one, list_ in self.catalogue.functions.items() if any(module in self.loaded for module, _ in list_)]
            self.note("function", name, "missing", f"{name}() is not here", node.pos, nearest(name, usable))

    def _arguments(self, node: nodes.Call, decl: FunctionDecl) -> None:
        """Number and kinds of the arguments."""
        if (node.pos.file, node.pos.line) in self.bad_lines:
            return
        args = [] if node.args == [None] and not decl.params else node.args
        if not decl.required <= len(args) <= len(decl.params):
            few = "few" if len(args) < decl.required else "many"
            text = f"too {few} arguments for {node.name}()"
            self.note("argument", node.name, "change", text, node.pos, f"write {signature(decl)}")
            return
        for param, arg in zip(decl.params, args, strict=False):
            if arg is None:
                wrong = "" if param.optional else "is left out but needed"
            elif isinstance(arg, nodes.Var):
                wrong = "is a literal, no variable" if param.kind.startswith("static") else ""
            elif param.kind == "var":
                wrong = "is a variable"
            elif param.kind in ("int", "static_int"):
                wrong = f"is a number: write {arg.value} without quotes" if isinstance(arg.value, str) else ""
            elif isinstance(arg.value, int) and NUMBERS.get(node.name, ("", ""))[0] == param.name:
                text = f"{node.name}() takes the number {arg.value} as 3.1 to 3.3 do"
                self.note("argument", node.name, "old", text, arg.pos, f"write {NUMBERS[node.name][1]}")
                wrong = ""
            else:
                wrong = f'is a string: write "{arg.value}"' if isinstance(arg.value, int) else ""
            if wrong:
                self.note("argument", node.name, "change", f"{node.name}(): parameter {param.name} {wrong}",
                          node.pos if arg is None else arg.pos, signature(decl))

    def _strings(self, node: nodes.Call, decl: FunctionDecl | None) -> None:
        """The variables in the texts that a call is given."""
        for place, arg in enumerate(node.args):
            if not isinstance(arg, nodes.Const) or not isinstance(arg.value, str):
                continue
            kind = decl.params[place].kind if decl is not None and place < len(decl.params) else "str"
            if kind == "str":
                self._format(arg.value, arg.pos)

    # -------------------------------------------------------------------------------------------------------- variables
    def _format(self, text: str, pos: Pos) -> None:
        for spec in format_specs(text):
            self._one_variable(spec, pos)

    def _variable(self, spec: VarSpec, pos: Pos) -> None:
        for one in specs_of(spec):
            self._one_variable(one, pos)

    def _one_variable(self, spec: VarSpec, pos: Pos) -> None:
        name = spec.name
        self.result.variables.add(name)
        found = self.catalogue.variables.get(name, [])
        here = [variable for module, variable in found if module in self.loaded]
        text = difference("variable", name)
        if here:
            if here[0].deprecated:
                self.note("variable", name, "old", f"${name} is an old name", pos, f"today: {here[0].deprecated}")
            if text:
                self.note("variable", name, "differs", f"${name}: {text}", pos)
        elif found:
            self.note("variable", name, "change", f"${name} needs module {found[0][0]}, which is not loaded", pos,
                      f'add loadmodule "{found[0][0]}.so"', found[0][0])
        elif name in VARIABLES:
            self.note("variable", name, "change", f"${name} does not exist any more", pos, f"today: {VARIABLES[name].new}")
        else:
            home = variable_home(name)
            self.note("variable", name, "missing", f"${name} of module {home}" if home else f"${name} is not here", pos,
                      "" if home else nearest(name, self.catalogue.variables), home)
        for item in spec.transformations:
            self._transformation(item.cls, item.func, pos)

    def _transformation(self, cls: str, func: str, pos: Pos) -> None:
        full = f"{cls}.{func}" if func else cls
        self.result.transformations.add(full)
        catalogue = self.catalogue
        if catalogue.has_core_transformation(cls, func):
            text = difference("transformation", full)
            if text:
                self.note("transformation", full, "differs", f"{{{full}}}: {text}", pos)
            return
        modules = catalogue.transformations.get(full, [])
        if not self.loaded.isdisjoint(modules):
            return
        if modules:
            self.note("transformation", full, "change", f"{{{full}}} needs module {modules[0]}, which is not loaded", pos,
                      f'add loadmodule "{modules[0]}.so"', modules[0])
        else:
            home = CLASS_HOMES.get(cls, "")
            text = f"{{{full}}} of module {home}" if home else f"{{{full}}} is not here"
            self.note("transformation", full, "missing", text, pos, "", home)


def _module_name(path: str) -> str:
    """The name in loadmodule "path/name.so"."""
    return path.rpartition("/")[2].removesuffix(".so")


def analyse(tree: nodes.Script, catalogue: Catalogue, errors: list[ConfigError] | None = None) -> Coverage:
    """What a parsed script needs. errors: the mistakes the parser found in it, its tree being what could be read."""
    return Analysis(tree, catalogue, errors or []).run()


def as_json(coverage: Coverage) -> dict[str, Any]:
    """The outcome for programs."""
    return {
        "file": coverage.file, "complete": coverage.complete, "read": coverage.read, "modules": coverage.modules,
        "functions": sorted(coverage.functions), "variables": sorted(coverage.variables),
        "transformations": sorted(coverage.transformations), "parameters": coverage.parameters,
        "findings": [
            {
                "kind": one.kind, "name": one.name, "verdict": one.verdict, "message": one.message, "hint": one.hint,
                "module": one.module,
                "places": [{"file": pos.file, "line": pos.line, "column": pos.column, "end_column": pos.end_column}
                           for pos in one.places],
            }
            for one in coverage.findings
        ],
    }
