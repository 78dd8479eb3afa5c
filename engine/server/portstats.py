"""The coverage of a collection of scripts as numbers: how many of them run whole, and what is missing most.

Only names of OpenSIPS' own modules, functions, parameters and variables come out, ranked by the number of scripts that need them:
no path, no text of a script, nothing that tells whose script it is.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.script.catalogue import Catalogue
from engine.script.coverage import Coverage
from engine.script.spellings import FUNCTION_HOMES, FUNCTIONS, MODULES, VARIABLE_HOMES, VARIABLES, variable_home

_SHOWN: Final = 40
"""Lines of each ranking."""
_AT_LEAST: Final = 2
"""A name that fewer scripts use is not shown: it may be somebody's own."""


@dataclass(slots=True)
class _Set:
    """Scripts of one origin."""

    title: str
    coverages: list[Coverage] = field(default_factory=list)


def scripts_of(folder: Path) -> list[Path]:
    """The scripts of a collection: those its verdict files name (`check: FILE`), else all *.cfg."""
    verdicts = sorted(folder.glob("*.verdict"))
    if not verdicts:
        return sorted(folder.glob("*.cfg"))
    named = []
    for verdict in verdicts:
        for line in verdict.read_text(encoding="latin-1").splitlines():
            if line.startswith("check: "):
                named.append(folder / line.removeprefix("check: ").strip())
    return [path for path in named if path.is_file()]


def _labels(folder: Path) -> dict[str, tuple[str, bool]]:
    """id -> (kind and release, accepted by a release of OpenSIPS), where the collection has an index."""
    index = folder / "index.tsv"
    if not index.is_file():
        return {}
    with index.open(encoding="utf-8", errors="replace", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    labels = {}
    for row in rows:
        if {"id", "kind", "era"} <= set(row):
            era = row["era"] if row["era"] != "?" else "release unknown"
            labels[row["id"]] = (f"{row['kind']}, {era}", row.get("vc") == "yes")
    return labels


def report(folder: Path, catalogue: Catalogue, examine: Callable[[Path], Coverage]) -> str:
    """The report over a folder, as Markdown."""
    labels = _labels(folder)
    sets: dict[str, _Set] = {}
    valid = _Set("accepted by OpenSIPS itself (3.1 or 3.6)")
    everything = _Set("all")
    for path in scripts_of(folder):
        coverage = examine(path)
        title, accepted = labels.get(path.name.partition(".")[0], ("", False))
        everything.coverages.append(coverage)
        if title:
            sets.setdefault(title, _Set(title)).coverages.append(coverage)
        if accepted:
            valid.coverages.append(coverage)
    rows = [*sorted(sets.values(), key=lambda one: -len(one.coverages)), *([valid] if valid.coverages else []), everything]
    all_of_them = everything.coverages
    lines = [
        "# Coverage", "",
        "How many real routing scripts run here whole. Written by `make coverage-report`, which reads a collection of public",
        "scripts that is not part of this repository (`OPENSIPS_LIKE_CORPUS` names its folder). `opensips-like port FILE` says",
        "the same of one script, line by line. What the names mean: [modules.md](modules.md), what differs:",
        "[differences.md](differences.md).", "",
        f"Here: {len(catalogue.modules)} modules, {len(catalogue.functions)} functions, {len(catalogue.variables)} variables.",
        "",
        "| scripts | files | read without an error | every module is here | everything is here |", "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        found = row.coverages
        modules = sum(not any(one.kind == "module" and one.blocks for one in each.findings) for each in found)
        lines.append(f"| {row.title} | {len(found)} | {sum(each.read for each in found)} | {modules} | "
                     f"{sum(each.complete for each in found)} |")
    lines += ["", "A script is whole when nothing has to be added or changed: old spellings that work count as being here.", ""]
    known_modules = {*catalogue.modules, *FUNCTION_HOMES.values(), *VARIABLE_HOMES.values(), *MODULES}
    lines += _ranking(
        "Missing modules", _count(all_of_them, "module"), lambda name: name.isidentifier() and name not in catalogue.modules)
    lines += _ranking(
        "Missing functions", _count(all_of_them, "function"),
        lambda name: name not in catalogue.functions and (name in FUNCTION_HOMES or name in FUNCTIONS),
        lambda name: FUNCTION_HOMES.get(name, ""))
    lines += _ranking(
        "Missing parameters", _count(all_of_them, "parameter"), lambda name: name.partition(".")[0] in known_modules)
    lines += _ranking(
        "Missing variables", _count(all_of_them, "variable"),
        lambda name: name not in catalogue.variables and (variable_home(name) != "" or name in VARIABLES),
        variable_home)
    lines += _ranking("Missing transformations", _count(all_of_them, "transformation"), lambda name: True)
    return "\n".join(lines).rstrip() + "\n"


def _count(coverages: list[Coverage], kind: str) -> Counter[str]:
    """Name -> number of scripts that lack it (or must write it differently)."""
    return Counter(name for each in coverages for name in {one.name for one in each.of(kind, "missing", "change") if one.name})


def _ranking(
    title: str, counts: Counter[str], known: Callable[[str], bool], module: Callable[[str], str] | None = None,
) -> list[str]:
    """A table, most wanted first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ranked = [(name, count) for name, count in ranked if known(name)]
    shown = [(name, count) for name, count in ranked if count >= _AT_LEAST][:_SHOWN]
    lines = [f"## {title}", ""]
    if not shown:
        return [*lines, "None.", ""]
    more = len(ranked) - len(shown)
    head, rule = ("| name | module | scripts |", "|---|---|--:|") if module else ("| name | scripts |", "|---|--:|")
    lines += [head, rule]
    for name, count in shown:
        lines.append(f"| `{name}` | {module(name)} | {count} |" if module else f"| `{name}` | {count} |")
    return [*lines, "", *([f"And {more} that fewer scripts need.", ""] if more else [])]
