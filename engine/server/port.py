"""opensips-like port FILE: what a routing script needs, what of it is here, what must be written differently.

For somebody who brings a script along. Nothing is started, loaded or opened; modules that are missing do not end the report.
With --corpus FOLDER the same over a folder of scripts, as numbers only.
"""

from __future__ import annotations

import getopt
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from engine.errors import ConfigErrors
from engine.script.catalogue import Catalogue, build_catalogue
from engine.script.coverage import KIND_TITLES, Coverage, Finding, analyse, as_json
from engine.script.differences import DOCUMENT
from engine.script.nodes import Const, LoadModule, Script
from engine.script.parser import read_source
from engine.script.preprocessor import read_script
from engine.server.portstats import report

USAGE: Final = """\
Usage: opensips-like port [options] FILE ...
       opensips-like port --corpus FOLDER [--output FILE]

Reads routing scripts of OpenSIPS 1.x to 3.6 and tells what they need that is not here, which spellings changed, and what
behaves differently. Nothing is started. Status 0 when everything is there, 1 when something is missing, 2 for a wrong call.

  --json         for programs
  -p CMD         send the script through CMD first
  --corpus DIR   all scripts of a folder, as numbers; --output FILE writes them there
"""
_WIDTH: Final = 8
"""Places of one finding that are shown."""
_SECTIONS: Final = (
    ("missing", "MISSING", "the script cannot run without these"),
    ("change", "TO BE WRITTEN DIFFERENTLY", "not accepted as it stands"),
    ("old", "OLD SPELLINGS", "they work"),
    ("differs", "DIFFERENT HERE", f"they work, see {DOCUMENT}"),
)


def examine(path: str, catalogue: Catalogue, preprocessor: str | None = None) -> Coverage:
    """The coverage of one file; a file that cannot be read is a finding as well."""
    try:
        tree, errors = read_source(read_script(path, preprocessor))
    except ConfigErrors as found:
        return analyse(Script(path, []), catalogue, found.errors)
    names = [Path(item.path).stem for item in tree.modules if isinstance(item, LoadModule)]
    folders = [str(param.value.value) for param in tree.globals if param.name == "mpath" and isinstance(param.value, Const)]
    return analyse(tree, catalogue.with_mpath(folders, names), errors)


def _places(finding: Finding, main: str) -> str:
    """Lines of a finding; the file is named where it is not the script itself."""
    shown = [str(pos.line) if pos.file == main else f"{pos.file}:{pos.line}" for pos in finding.places if pos.line]
    shown = list(dict.fromkeys(shown))
    more = f" and {len(shown) - _WIDTH} more" if len(shown) > _WIDTH else ""
    word = "line" if len(shown) == 1 else "lines"
    return f"{word} {', '.join(shown[:_WIDTH])}{more}" if shown else ""


def _group(findings: Iterable[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Findings with those that follow from them: what belongs to a missing module stands below it."""
    all_of_them = list(findings)
    modules = {one.name: one for one in all_of_them if one.kind == "module"}
    groups: dict[int, list[Finding]] = {}
    tops: list[Finding] = []
    for one in all_of_them:
        head = modules.get(one.module) if one.kind != "module" else None
        if head is None:
            tops.append(one)
        else:
            groups.setdefault(id(head), []).append(one)
    return [(one, groups.get(id(one), [])) for one in tops]


def render(coverage: Coverage) -> str:
    """The report for people."""
    main = coverage.file
    counts = (
        (len(coverage.modules), "modules"), (len(coverage.functions), "functions"), (coverage.parameters, "module parameters"),
        (len(coverage.variables), "variables"), (len(coverage.transformations), "transformations"),
    )
    lines = [f"{main}: uses " + ", ".join(f"{count} {word if count != 1 else word[:-1]}" for count, word in counts)]
    for verdict, title, note in _SECTIONS:
        findings = [one for one in coverage.findings if one.verdict == verdict]
        if not findings:
            continue
        lines += ["", f"{title} ({note})"]
        kind = ""
        for one, below in _group(findings):
            if one.kind != kind:
                kind = one.kind
                lines.append(f"  {KIND_TITLES[kind]}")
            lines += _lines(one, main, "    ")
            for other in below:
                lines += _lines(other, main, "        ")
    lines += ["", _verdict(coverage)]
    return "\n".join(lines) + "\n"


def _lines(finding: Finding, main: str, indent: str) -> list[str]:
    places = _places(finding, main)
    lines = [f"{indent}{finding.message}" + (f"  ({places})" if places else "")]
    if finding.hint:
        lines.append(f"{indent}    {finding.hint}")
    return lines


def _verdict(coverage: Coverage) -> str:
    """The last line."""
    blocking = [one for one in coverage.findings if one.blocks]
    if not blocking:
        return "Everything is there. Next: opensips-like -C -f " + coverage.file
    missing = sum(one.verdict == "missing" for one in blocking)
    change = len(blocking) - missing
    parts = []
    if missing:
        parts.append(f"{missing} thing{'s are' if missing != 1 else ' is'} missing")
    if change:
        parts.append(f"{change} thing{'s have' if change != 1 else ' has'} to be written differently")
    return " and ".join(parts) + "."


def main(argv: list[str]) -> int:
    """Run the subcommand; the exit status."""
    try:
        given, files = getopt.gnu_getopt(argv, "hp:", ["json", "help", "corpus=", "output="])
    except getopt.GetoptError as error:
        print(error, file=sys.stderr)
        print(USAGE, end="", file=sys.stderr)
        return 2
    options = dict(given)
    if "-h" in options or "--help" in options:
        print(USAGE, end="")
        return 0
    if "--corpus" in options:
        return _corpus(Path(options["--corpus"]), options.get("--output", ""))
    if not files:
        print(USAGE, end="", file=sys.stderr)
        return 2
    catalogue = build_catalogue()
    found = [examine(file, catalogue, options.get("-p")) for file in files]
    if "--json" in options:
        print(json.dumps([as_json(one) for one in found], indent=1))
    else:
        text = "\n".join(render(one) for one in found)
        sys.stdout.buffer.write(text.encode("latin-1", "replace"))
        sys.stdout.buffer.flush()
    return 0 if all(one.complete for one in found) else 1


def _corpus(folder: Path, output: str) -> int:
    """Numbers over a folder of scripts; it is no error when there is none."""
    if not folder.is_dir():
        print(f"no folder {folder}: the coverage over a collection of scripts is left as it is")
        return 0
    catalogue = build_catalogue()
    text = report(folder, catalogue, lambda path: examine(str(path), catalogue))
    if output:
        Path(output).write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


