"""The manual of the modules, written from their declarations: python -m engine.manual [FOLDER] (make docs).

One page per module (docs/modules/NAME.md) and one for the core, and the list of modules in docs/modules.md between two marks.
What is said there is said in the code: names, types and defaults come from the declarations, the sentences are their
docstrings. With --check nothing is written; the status is 1 when a page is not what it should be.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from engine.mi import CORE_MODULES as MI_CLASSES
from engine.module import ALL_ROUTES, FunctionDecl, MiDecl, ParamDecl, event, modparam, pvar, stat, transformation
from engine.registry import CORE, Exports
from engine.script.calls import signature
from engine.script.catalogue import Catalogue, Offer, build_catalogue
from engine.script.functions import CORE_MODULES as FUNCTION_CLASSES
from engine.script.transformations import TABLES
from engine.script.unit import KINDS, TITLES
from engine.script.variables import CORE_MODULES as VARIABLE_CLASSES

INDEX_BEGIN: Final = "<!-- the list below is written by make docs -->"
INDEX_END: Final = "<!-- end of the list -->"
_NOTE: Final = "<!-- written by make docs from the module's own declarations: change those, not this page -->"
_PARAM_KINDS: Final = {
    "str": "text or variable", "int": "number or variable", "static_str": "text without variables", "static_int": "number",
    "raw": "text, taken as written", "regex": "regular expression (POSIX extended), or a variable with one", "var": "variable",
}
_CODE: Final = re.compile(r"`[^`]*`")
_SPECIAL: Final = re.compile(r"[*<>]|(?<!\w)_|_(?!\w)")
"""What Markdown would take for its own; an underscore within a word is none of that."""


# ---------------------------------------------------------------------------------------------------------------- text
def markdown(text: str) -> str:
    """A docstring as Markdown: angle brackets outside of code are text; indented parts are code already."""
    out = []
    for line in text.splitlines():
        if line.startswith("    "):
            out.append(line)
            continue
        parts = re.split(r"(`[^`]*`)", line)
        out.append("".join(part if _CODE.fullmatch(part) else _plain(part) for part in parts))
    return "\n".join(out).strip("\n").rstrip()


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


def _cell(text: str) -> str:
    """Text in a table."""
    return markdown(" ".join(text.split())).replace("|", "\\|")


def _title(doc: str, name: str) -> tuple[str, str]:
    """The sentence behind "name: " that a docstring begins with, and the rest."""
    first, _, rest = doc.partition("\n\n")
    first = " ".join(first.split()).removeprefix(f"{name}:").strip()
    return first, rest


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


# ------------------------------------------------------------------------------------------------------------ the parts
def _parameters(params: Iterable[modparam]) -> list[str]:
    rows = []
    for param in sorted(params, key=lambda one: one.name):
        kind = "text or number" if param.both else "number" if param.type is int else "text"
        limits = []
        if param.choices:
            limits.append("one of " + ", ".join(f"`{choice}`" for choice in param.choices))
        if param.min is not None and param.max is not None:
            limits.append(f"{param.min} to {param.max}")
        elif param.min is not None:
            limits.append(f"at least {param.min}")
        elif param.max is not None:
            limits.append(f"at most {param.max}")
        if param.multi:
            limits.append("may be given several times")
        help_text = _cell(param.help)
        if param.effect:
            help_text = f"{help_text}; " if help_text else ""
            help_text += f"accepted without effect: {_cell(param.effect)}"
        rows.append((f"`{param.name}`", kind + (f" ({', '.join(limits)})" if limits else ""), _default(param), help_text))
    return _table(("parameter", "type", "default", "meaning"), rows)


def _default(param: modparam) -> str:
    if param.multi or param.default is None:
        return "none"
    return f"`{param.default!r}`".replace("'", '"') if isinstance(param.default, str) else f"`{param.default}`"


def routes_text(bits: int) -> str:
    """Where a function may stand."""
    if bits & ALL_ROUTES == ALL_ROUTES:
        return "any route"
    return ", ".join(f"`{TITLES[kind]}`" for kind, bit in KINDS.items() if bits & bit)


def _function(decl: FunctionDecl, is_async: bool) -> list[str]:
    form = f"async({signature(decl)}, route)" if is_async else signature(decl)
    lines = [f"### `{form}`", ""]
    if decl.doc:
        lines += [markdown(decl.doc), ""]
    if decl.params:
        lines += [*(f"- `{param.name}`: {_kind(param)}" for param in decl.params), ""]
    facts = [f"May stand in {routes_text(decl.routes)}."]
    if not is_async and decl.returns == "bool" and "-1" not in decl.doc:
        facts.append("1 when it is so, else -1.")
    if not is_async and decl.returns == "none":
        facts.append("Always 1.")
    if not is_async and decl.waits:
        facts.append("The run waits for the result, the server goes on with other messages.")
    return [*lines, " ".join(facts), ""]


def _kind(param: ParamDecl) -> str:
    text = _PARAM_KINDS[param.kind]
    if param.writable:
        text = "variable that can be set"
    if param.optional:
        text += ", optional"
        if param.default not in (None, ""):
            text += f" (`{param.default!r}`)".replace("'", '"')
    return text


def variable_text(variable: pvar, name: str) -> str:
    """How a variable is written: $name, $name(x), $(name[i])."""
    inner = {"required": "(name)", "optional": "[(name)]"}.get(variable.name_rule, "")
    text = f"`${name}{inner}`"
    if variable.takes_index:
        words = "".join(f", `[{word}]`" for word in variable.index_words)
        text += f", `$({name}{'(name)' if inner else ''}[i])`{words}"
    return text


def _variables(variables: Iterable[pvar]) -> list[str]:
    rows = []
    for variable in sorted(variables, key=lambda one: one.names[0].lower()):
        text = " ".join((inspect.getdoc(variable.get) or "").split())
        if variable.deprecated:
            text += f" Old name: write `{variable.deprecated}`."
        names = "; ".join(variable_text(variable, name) for name in variable.names)
        rows.append((names.replace("|", "\\|"), "read, set" if variable.set is not None else "read", _cell(text)))
    return _table(("variable", "", "value"), rows)


def _transformations(items: Iterable[transformation]) -> list[str]:
    rows = []
    for item in items:
        names = list(inspect.signature(item.call).parameters.values())[2:]
        args = "".join(f"[,{one.name}]" if one.default is not one.empty else f",{one.name}" for one in names)
        rows.append((f"`{{{item.name}{args}}}`", _cell(inspect.getdoc(item.call) or "")))
    return _table(("transformation", "result"), rows)


def _mi(commands: Iterable[MiDecl]) -> list[str]:
    rows = []
    for command in sorted(commands, key=lambda one: one.name):
        forms = [f"`{' '.join([command.name, *recipe])}`" for recipe in command.recipes]
        named = " Parameters by name only." if command.named_only else ""
        rows.append(("<br>".join(forms), _cell(command.help) + named))
    return _table(("command and parameters", "what it does"), rows)


def _events(events: Iterable[event]) -> list[str]:
    rows = [(f"`{one.name}`", ", ".join(f"`{name}`" for name in one.params) or "none") for one in events]
    return _table(("event", "parameters"), rows)


def _statistics(module: str, stats: Iterable[stat]) -> list[str]:
    rows = []
    for one in stats:
        kind = "computed when asked" if one.value is not None else "level" if one.gauge else "counter"
        rows.append((f"`{one.group or module}:{one.name}`", kind + (", cannot be reset" if one.no_reset else "")))
    return _table(("statistic", "kind"), rows)


def _dependencies(exports: Exports) -> list[str]:
    needed = sorted({one.module for one in exports.dependencies.values() if one.required})
    wanted = sorted({one.module for one in exports.dependencies.values() if not one.required})
    lines = []
    if needed:
        lines.append("Needs " + ", ".join(f"[{name}]({name}.md)" for name in needed) + " to be loaded as well.")
    if wanted:
        lines.append("Works with " + ", ".join(f"[{name}]({name}.md)" for name in wanted) + " when loaded.")
    return [" ".join(lines), ""] if lines else []


# ------------------------------------------------------------------------------------------------------------ the pages
def sections(name: str, exports: Exports) -> list[str]:
    """What a module offers, heading by heading; a heading without anything below it is left out."""
    plain = sorted((one for one in exports.functions if one.plain), key=lambda one: one.name)
    waiting = sorted((one for one in exports.functions if one.async_ok), key=lambda one: one.name)
    parts: list[tuple[str, list[str]]] = [
        ("Parameters", _parameters(exports.params.values()) if exports.params else []),
        ("Functions", [line for one in plain for line in _function(one, False)]),
        ("Asynchronous functions", [line for one in waiting for line in _function(one, True)]),
        ("Variables", _variables(exports.pvars) if exports.pvars else []),
        ("Transformations", _transformations(exports.transformations) if exports.transformations else []),
        ("Management commands", _mi(exports.mi_commands) if exports.mi_commands else []),
        ("Events", _events(exports.events.values()) if exports.events else []),
        ("Statistics", _statistics(name, exports.stats.values()) if exports.stats else []),
    ]
    return [line for title, lines in parts if lines for line in (f"## {title}", "", *lines)]


def page(offer: Offer) -> str:
    """The page of one module."""
    title, rest = _title(offer.doc, offer.name)
    lines = [f"# {offer.name}", "", _NOTE, "", markdown(title[:1].upper() + title[1:]), ""]
    if rest:
        lines += [markdown(rest), ""]
    lines += _dependencies(offer.exports)
    lines += ["```", f'loadmodule "{offer.name}.so"', "```", ""]
    lines += sections(offer.name, offer.exports)
    return "\n".join(lines).rstrip() + "\n"


def core_page(offers: Iterable[Offer]) -> str:
    """The page of what is there without any module."""
    whole = Exports()
    for offer in offers:
        whole.functions += offer.exports.functions
        whole.pvars += offer.exports.pvars
        whole.mi_commands += offer.exports.mi_commands
        whole.events |= offer.exports.events
        whole.stats |= offer.exports.stats
    lines = [
        "# core", "", _NOTE, "",
        "What every script can use without loading a module. The statements of the language are in [script.md](../script.md).",
        "", *sections(CORE, whole), "## Transformations", "", "What each gives: [script.md](../script.md#transformations).", "",
    ]
    rows: list[tuple[str, ...]] = [
        (f"`{cls}`", " ".join(f"`{{{cls}.{name}{_arguments(entry)}}}`" for name, entry in table.items()))
        for cls, table in sorted(TABLES.items())
    ]
    rows += [
        ("`nameaddr`", "`{nameaddr.uri}` `{nameaddr.name}` `{nameaddr.params}` `{nameaddr.len}` `{nameaddr.param,name}`, "
         "of the i-th address `{nameaddr.i.uri}` and so on"),
        ("`re`", "`{re.subst,/pattern/replacement/flags}`"),
    ]
    return "\n".join([*lines, *_table(("class", "functions"), rows)]).rstrip() + "\n"


def _arguments(entry: Any) -> str:
    """The arguments of one of the core's transformations, as written."""
    names = list(inspect.signature(entry.call).parameters)[1:] if entry.kinds else []
    names += ["argument"] * (len(entry.kinds) - len(names))
    return "".join(f"[,{name}]" if kind.endswith("?") else f",{name}" for name, kind in zip(names, entry.kinds, strict=False))


def index(catalogue: Catalogue) -> str:
    """The list of modules for docs/modules.md."""
    rows = []
    for name, offer in sorted(catalogue.modules.items()):
        title, _ = _title(offer.doc, name)
        rows.append((f"[{name}](modules/{name}.md)", _cell(title)))
    return "\n".join(_table(("module", "what it does"), rows)).rstrip()


def manual(catalogue: Catalogue, modules_text: str) -> dict[str, str]:
    """Path below docs/ -> text, for every page."""
    pages = {f"modules/{name}.md": page(offer) for name, offer in catalogue.modules.items()}
    pages["modules/core.md"] = core_page(catalogue.core)
    before, found, rest = modules_text.partition(INDEX_BEGIN)
    _, end, after = rest.partition(INDEX_END)
    if found and end:
        pages["modules.md"] = f"{before}{INDEX_BEGIN}\n\n{index(catalogue)}\n\n{INDEX_END}{after}"
    return pages


def main(argv: list[str]) -> int:
    """Write the manual, or judge it."""
    check = "--check" in argv
    folder = Path(next((word for word in argv if not word.startswith("-")), "docs"))
    catalogue = build_catalogue(core=(*FUNCTION_CLASSES, *VARIABLE_CLASSES, *MI_CLASSES))
    for name, reason in catalogue.broken.items():
        print(f"module {name} cannot be imported: {reason}", file=sys.stderr)
    overview = folder / "modules.md"
    pages = manual(catalogue, overview.read_text(encoding="utf-8") if overview.is_file() else "")
    old = {path for path in (folder / "modules").glob("*.md") if f"modules/{path.name}" not in pages}
    changed = [name for name, text in pages.items()
               if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text]
    if check:
        for name in sorted([*changed, *(f"modules/{path.name}" for path in old)]):
            print(f"{folder / name} is out of date: make docs", file=sys.stderr)
        return 1 if changed or old or catalogue.broken else 0
    (folder / "modules").mkdir(parents=True, exist_ok=True)
    for name in changed:
        (folder / name).write_text(pages[name], encoding="utf-8")
    for path in old:
        path.unlink()
    return 1 if catalogue.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
