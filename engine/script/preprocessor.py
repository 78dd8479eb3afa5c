"""From files to one text: included files are pasted in, an external preprocessor may rewrite the whole.

`include_file "x"` and `import_file "x"` are the same thing and stand on a line of their own. A relative path is tried from the
working directory first, then from the directory of the including file. The result keeps where each line came from, so every
later message names the file and line that the author wrote. With a preprocessor (option `-p`, usually m4) every line is sent
through it with an annotation line before it, in OpenSIPS' spelling; what comes back is read by those annotations.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Final

from engine.errors import ConfigError, ConfigErrors

MAX_DEPTH: Final = 50
MAX_PATH: Final = 2048

_INCLUDE: Final = re.compile(r"""[ \t]*(?:include_file|import_file)\s*(?:"([^"\n]+)"|'([^'\n]+)')""")
_FILE_BEGIN: Final = "__OSSPP_FILEBEGIN__"
_LINE: Final = "__OSSPP_LINE__"
_FILE_END: Final = "__OSSPP_FILEEND__"
_ANNOTATION: Final = re.compile(rf'\s*(?:{_FILE_BEGIN} "(.*)"|{_LINE} (\d+)|({_FILE_END}))\s*$')

IncludeStack = tuple[tuple[str, int], ...]
"""The lines that led to a file, outermost first: file and line of each include_file."""


@dataclass(slots=True)
class Source:
    """The flattened text. Line n of it (from 0) is line `numbers[n]` of the file `files[n]`."""

    text: str
    files: list[str]
    numbers: list[int]
    stacks: dict[str, IncludeStack] = field(default_factory=dict)
    """How each file was reached (the first time)."""
    names: list[str] = field(default_factory=list)
    """Every file read, the script itself first."""


class _Flattener:
    """Collects lines and their origin over all included files."""

    __slots__ = ("files", "lines", "names", "numbers", "stacks")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.files: list[str] = []
        self.numbers: list[int] = []
        self.stacks: dict[str, IncludeStack] = {}
        self.names: list[str] = []

    def add(self, text: str, path: str, stack: IncludeStack) -> None:
        """Append a text that was read from `path`, and what it includes."""
        if path not in self.stacks:
            self.stacks[path] = stack
            self.names.append(path)
        if text.endswith("\n"):
            text = text[:-1]
        for number, line in enumerate(text.split("\n"), 1):
            found = _INCLUDE.match(line) if "_file" in line else None
            if found is None:
                self.lines.append(line)
                self.files.append(path)
                self.numbers.append(number)
            else:
                self.include(found[1] or found[2], (*stack, (path, number)))

    def include(self, name: str, stack: IncludeStack) -> None:
        """Paste the file `name`, wanted by the last entry of `stack`."""
        wanted_by, line = stack[-1]
        path = name
        if not os.path.isabs(name) and not os.path.exists(name):
            path = os.path.join(os.path.dirname(wanted_by) or ".", name)
        if any(os.path.realpath(file) == os.path.realpath(path) for file, _ in stack):
            chain = " -> ".join([file for file, _ in stack] + [path])
            raise _error(f"{name} includes itself: {chain}", stack, "remove one of these include_file lines")
        if len(stack) > MAX_DEPTH:
            raise _error(f"files are included more than {MAX_DEPTH} levels deep", stack)
        self.add(_read(path, name, stack), path, stack)


def _error(message: str, stack: IncludeStack, hint: str = "") -> ConfigError:
    file, line = stack[-1] if stack else ("", 0)
    error = ConfigError(message, file=file, line=line, column=1 if line else 0, hint=hint)
    error.include_stack = stack[:-1]
    return error


def _read(path: str, name: str, stack: IncludeStack) -> str:
    """The text of a file, one character per byte."""
    if len(path) > MAX_PATH:
        raise _error(f"the path of the file is longer than {MAX_PATH} characters: {path[:60]}...", stack)
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode("latin-1")
        with open(path, encoding="latin-1", newline="") as file:
            return file.read()
    except OSError as error:
        what = "file" if stack else "configuration file"
        hint = "paths are tried from the working directory, then from that of the including file" if stack else ""
        raise _error(f"cannot read the {what} {name!r}: {error.strerror}", stack, hint) from None


def _run(command: str, annotated: str) -> str:
    """The text after it went through the preprocessor; no shell is involved."""
    try:
        argv = shlex.split(command)
        result = subprocess.run(  # noqa: S603  (the administrator names the command)
            argv, input=annotated.encode("latin-1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
        )
    except (OSError, ValueError, IndexError) as error:
        raise ConfigError(f"cannot run the preprocessor {command!r}: {error}") from None
    if result.returncode:
        said = result.stderr.decode("latin-1").strip()
        raise ConfigError(f"the preprocessor {command!r} ended with status {result.returncode}: {said}")
    return result.stdout.decode("latin-1")


def _annotate(flat: _Flattener) -> str:
    """The flattened text with an annotation line before each line."""
    out: list[str] = []
    current = ""
    for line, file, number in zip(flat.lines, flat.files, flat.numbers, strict=True):
        if file != current:
            if current:
                out.append(_FILE_END)
            out.append(f'{_FILE_BEGIN} "{file}"')
            current = file
        out.append(f"{_LINE} {number}")
        out.append(line)
    out.append(_FILE_END)
    return "\n".join(out) + "\n"


def _deannotate(text: str, flat: _Flattener) -> None:
    """Replace the lines of `flat` by those of a preprocessed text."""
    flat.lines, flat.files, flat.numbers = [], [], []
    file = flat.names[0]
    number = 0
    for line in text.split("\n"):
        found = _ANNOTATION.match(line) if _LINE[:8] in line else None
        if found is None:
            flat.lines.append(line)
            flat.files.append(file)
            flat.numbers.append(max(number, 1))
            number += 1
        elif found[1] is not None:
            file = found[1]
        elif found[2] is not None:
            number = int(found[2])


def flatten(text: str, path: str, preprocessor_cmd: str | None = None) -> Source:
    """Paste included files into `text`, which was read from `path`, and run the preprocessor. Raises ConfigErrors."""
    flat = _Flattener()
    try:
        flat.add(text, path, ())
        if preprocessor_cmd:
            _deannotate(_run(preprocessor_cmd, _annotate(flat)), flat)
    except ConfigError as error:
        raise ConfigErrors([error]) from None
    return Source("\n".join(flat.lines) + "\n", flat.files, flat.numbers, flat.stacks, flat.names)


def read_script(path: str, preprocessor_cmd: str | None = None) -> Source:
    """Read a script (`-` is standard input) with all it includes. Raises ConfigErrors."""
    try:
        text = _read(path, path, ())
    except ConfigError as error:
        raise ConfigErrors([error]) from None
    return flatten(text, "stdin" if path == "-" else path, preprocessor_cmd)
