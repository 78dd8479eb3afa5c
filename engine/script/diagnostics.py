"""Errors as a person wants to read them: the place, the line with its neighbours, a caret under the word, and what to do.

The shape is that of OpenSIPS (`CRITICAL:core:yyerror: parse error in FILE:LINE:COL-COL: text`, two lines before and after, a last
line with the number of errors), so tools made for it read ours; the hint below the caret is our own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from engine.errors import ConfigError, ConfigErrors

if TYPE_CHECKING:
    from engine.script.nodes import ConfigWarning

CONTEXT_LINES: Final = 2
_PREFIX: Final = "CRITICAL:core:yyerror:"


def _lines_of(file: str, sources: Mapping[str, str] | None) -> list[str]:
    """The lines of a file; none when it cannot be read any more."""
    if sources is not None and file in sources:
        return sources[file].split("\n")
    try:
        with open(file, encoding="latin-1", newline="") as stream:
            return stream.read().split("\n")
    except OSError:
        return []


def _margin(line: str, column: int) -> str:
    """Blanks up to a column; tabs of the line are kept so that what follows stands where the word does."""
    return "".join("\t" if char == "\t" else " " for char in line[: max(column - 1, 0)])


def _describe(error: ConfigError, lines: Callable[[str], list[str]]) -> Iterable[str]:
    """The lines of one error."""
    if not error.line:
        where = f" in {error.file}" if error.file else ""
        yield f"{_PREFIX} error{where}: {error.message}"
        if error.hint:
            yield f"    {error.hint}"
        return
    if error.include_stack:
        yield "Traceback (last included file at the bottom):"
        for depth, (file, line) in enumerate((*error.include_stack, (error.file, error.line))):
            yield f"{depth:>2}. {file} (line {line})"
    end = max(error.end_column, error.column)
    yield f"{_PREFIX} parse error in {error.file}:{error.line}:{error.column}-{end}: {error.message}"
    text = lines(error.file)
    at = error.line - 1
    if at < len(text):
        for number in range(max(at - CONTEXT_LINES, 0), at):
            yield text[number].rstrip("\r")
        shown = text[at].rstrip("\r")
        yield shown
        margin = _margin(shown, error.column)
        yield margin + "^" + "~" * max(min(end, len(shown)) - error.column, 0)
        if error.hint:
            yield margin + error.hint
        for number in range(at + 1, min(at + 1 + CONTEXT_LINES, len(text))):
            yield text[number].rstrip("\r")
    elif error.hint:
        yield f"    {error.hint}"


def render(errors: ConfigErrors | Sequence[ConfigError], sources: Mapping[str, str] | None = None) -> str:
    """All errors as text. `sources` gives the text of files that are not on disk (standard input)."""
    found = errors.errors if isinstance(errors, ConfigErrors) else list(errors)
    cache: dict[str, list[str]] = {}

    def lines(file: str) -> list[str]:
        if file not in cache:
            cache[file] = _lines_of(file, sources)
        return cache[file]

    out: list[str] = []
    for error in found:
        out.extend(_describe(error, lines))
        out.append("")
    count = len(found)
    out.append(f"ERROR:core:parse_opensips_cfg: bad config file ({count} error{'' if count == 1 else 's'})")
    return "\n".join(out)


def to_json(errors: ConfigErrors | Sequence[ConfigError], warnings: Iterable[ConfigWarning] = ()) -> str:
    """Errors and warnings as a JSON list, in the order of the text within each file, errors first where both stand on one line.

    Each is an object: file, line, column, end_column (from 1, the end included; 0 without a place), severity (error, warning,
    info), code (name of the rule, "" for errors), message, hint, included_from (list of file and line).
    """
    found = errors.errors if isinstance(errors, ConfigErrors) else list(errors)
    noticed = [*(errors.warnings if isinstance(errors, ConfigErrors) else ()), *warnings]
    items = [
        _item(error.file, error.line, error.column, error.end_column, "error", "", error.message, error.hint, error.include_stack)
        for error in found
    ]
    for warning in noticed:
        pos = warning.pos
        item = _item(pos.file, pos.line, pos.column, pos.end_column, warning.level, warning.code, warning.message, "", ())
        if item not in items:
            items.append(item)
    order = {file: place for place, file in enumerate(dict.fromkeys(item["file"] for item in items))}
    items.sort(key=lambda item: (order[item["file"]], item["line"], item["severity"] != "error", item["column"]))
    return json.dumps(items)


def _item(
    file: str, line: int, column: int, end_column: int, severity: str, code: str, message: str, hint: str,
    stack: tuple[tuple[str, int], ...],
) -> dict[str, Any]:
    return {
        "file": file, "line": line, "column": column, "end_column": end_column, "severity": severity, "code": code,
        "message": message, "hint": hint, "included_from": [{"file": name, "line": number} for name, number in stack],
    }
