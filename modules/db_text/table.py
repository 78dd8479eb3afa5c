r"""A table as a text file.

    id(int,auto) name(str) q(double,null) note(string,null)
    1:nick:0.34:a\tgood\: friend
    2:cole::

The first line names the columns with their types (int, long, double, str, string, blob, time) and attributes (null: may be empty;
auto: numbered). Every other line is a row; nothing between two colons is NULL; \n \r \t \\ \: \0 are escapes in texts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from engine.db.interface import DbValue, Row, Where
from engine.errors import DbError

_COLUMN: Final = re.compile(r" *([^ (]+) *\( *([A-Za-z]+)[^,)]*(?:, *([A-Za-z]+)[^)]*)?\)")
_TYPES: Final = {"i": "int", "l": "long", "d": "double", "b": "blob", "t": "time"}
_UNESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", ":": ":", "0": "\0"}
_ESCAPES: Final = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", ":": "\\:", "\0": "\\0"})
_INTEGER: Final = re.compile(r"-?[0-9]+\Z")
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]*)?\Z")


class Column:
    """One column."""

    __slots__ = ("name", "kind", "null", "auto")

    def __init__(self, name: str, kind: str, null: bool, auto: bool) -> None:
        self.name = name
        self.kind = kind
        """int, long, double, str, string, blob or time."""
        self.null = null
        self.auto = auto

    def __str__(self) -> str:
        return f"{self.name}({self.kind}{',null' if self.null else ',auto' if self.auto else ''})"

    def read(self, text: str) -> DbValue:
        """A field of a row. Raises ValueError."""
        if not text:
            return None
        if self.kind in ("int", "long", "time"):
            if not _INTEGER.match(text):
                raise ValueError(f"{text!r} is no integer")
            return int(text)
        if self.kind == "double":
            if not _NUMBER.match(text):
                raise ValueError(f"{text!r} is no number")
            return float(text)
        return _unescape(text) if "\\" in text else text

    def write(self, value: DbValue) -> str:
        """The field of a value."""
        if value is None:
            return ""
        if isinstance(value, float):
            return f"{value:.2f}"
        return str(value).translate(_ESCAPES) if isinstance(value, str) else str(value)

    def convert(self, value: Any) -> DbValue:
        """A value as the column keeps it. Raises DbError: it is of another type."""
        if value is None:
            return None
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if self.kind == "double" and isinstance(value, int | float):
            return float(value)
        if self.kind in ("int", "long", "time") and isinstance(value, int | float):
            return int(value)
        if self.kind in ("str", "string", "blob"):
            return value if isinstance(value, str) else str(value)
        raise DbError(f"column {self.name} is of type {self.kind}, {value!r} does not fit")


def _unescape(text: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
            if at >= len(text) or text[at] not in _UNESCAPED:
                raise ValueError(f"bad escape in {text!r}")
            out.append(_UNESCAPED[text[at]])
        else:
            out.append(text[at])
        at += 1
    return "".join(out)


def _fields(line: str) -> list[str]:
    """The fields of a row, escapes still in them."""
    if "\\" not in line:
        return line.split(":")
    return [field.replace("\0\1", "\\:").replace("\0\2", "\\\\") for field in
            line.replace("\\\\", "\0\2").replace("\\:", "\0\1").split(":")]


def _matches(value: Any, operator: str, wanted: Any) -> bool:
    """One condition. NULL equals NULL and nothing else, and is neither smaller nor larger than anything."""
    if operator == "in":
        return any(_matches(value, "=", one) for one in wanted)
    if operator == "like":
        pattern = "".join([".*" if char == "%" else "." if char == "_" else re.escape(char) for char in str(wanted)])
        return value is not None and re.fullmatch(pattern, str(value), re.IGNORECASE | re.DOTALL) is not None
    if value is None or wanted is None:
        same = value is None and wanted is None
        return same if operator in ("=", "<=", ">=") else not same if operator in ("!=", "<>") else False
    if isinstance(value, str) is not isinstance(wanted, str):
        value, wanted = str(value), str(wanted)
    if operator == "=":
        return bool(value == wanted)
    if operator in ("!=", "<>"):
        return bool(value != wanted)
    if operator == "<":
        return bool(value < wanted)
    if operator == ">":
        return bool(value > wanted)
    if operator == "<=":
        return bool(value <= wanted)
    if operator == ">=":
        return bool(value >= wanted)
    raise DbError(f"unknown operator {operator!r} in a condition")


class Table:
    """A table in memory."""

    __slots__ = ("path", "columns", "index", "rows", "next_auto", "changed", "stamp")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: list[Column] = []
        self.index: dict[str, int] = {}
        self.rows: list[list[DbValue]] = []
        self.next_auto = 1
        self.changed = False
        """There are rows the file does not have."""
        self.stamp = 0.0
        """Time of change of the file that was read."""
        self.load()

    # ---- the file ----

    def load(self) -> None:
        """Read the file; the table stays as it is when that fails. Raises DbError."""
        try:
            stamp = self.path.stat().st_mtime
            with open(self.path, encoding="latin-1", newline="\n") as stream:
                lines = stream.read().split("\n")
        except OSError as error:
            raise DbError(f"there is no table {self.path.name}: {error}") from None
        columns = self._read_columns(lines[0])
        rows: list[list[DbValue]] = []
        for number, line in enumerate(lines[1:], 2):
            if not line:
                continue
            fields = _fields(line)
            # A colon may end the row.
            if len(fields) == len(columns) + 1 and not fields[-1]:
                fields.pop()
            if len(fields) != len(columns):
                raise DbError(f"{self.path}:{number}: {len(fields)} fields for {len(columns)} columns")
            try:
                row = [column.read(field) for column, field in zip(columns, fields, strict=True)]
            except ValueError as error:
                raise DbError(f"{self.path}:{number}: {error}") from None
            for column, value in zip(columns, row, strict=True):
                if value is None and not column.null and not column.auto:
                    raise DbError(f"{self.path}:{number}: column {column.name} cannot be empty")
            rows.append(row)
        self.columns = columns
        self.index = {column.name: place for place, column in enumerate(columns)}
        self.rows = rows
        auto = self._auto()
        self.next_auto = 1 + max((int(row[auto] or 0) for row in rows), default=0) if auto is not None else 1
        self.changed = False
        self.stamp = stamp

    def _read_columns(self, line: str) -> list[Column]:
        found: list[Column] = []
        at = 0
        line = line.rstrip(" \r")
        while at < len(line):
            match = _COLUMN.match(line, at)
            if match is None:
                raise DbError(f"{self.path}:1: bad column {line[at:]!r}")
            name, kind, attribute = match.groups()
            letter = kind[0].lower()
            if letter != "s" and letter not in _TYPES:
                raise DbError(f"{self.path}:1: unknown type {kind!r} of column {name}")
            mark = (attribute or "")[:1].lower()
            if mark not in ("", "n", "a"):
                raise DbError(f"{self.path}:1: unknown attribute {attribute!r} of column {name}")
            full = ("string" if "i" in kind.lower() else "str") if letter == "s" else _TYPES[letter]
            found.append(Column(name, full, mark == "n", mark == "a"))
            at = match.end()
        if not found:
            raise DbError(f"{self.path}: the first line names no columns")
        return found

    def dump(self) -> None:
        """Write the file. Raises DbError."""
        draft = self.path.with_name(self.path.name + ".new")
        lines = [" ".join(map(str, self.columns))]
        for row in self.rows:
            lines.append(":".join([column.write(value) for column, value in zip(self.columns, row, strict=True)]))
        try:
            with open(draft, "w", encoding="latin-1", errors="replace", newline="\n") as stream:
                stream.write("\n".join(lines) + "\n")
            os.replace(draft, self.path)
            self.stamp = self.path.stat().st_mtime
        except OSError as error:
            raise DbError(f"cannot write {self.path}: {error}") from None
        self.changed = False

    def refresh(self) -> None:
        """Read the file again when somebody changed it. Raises DbError."""
        try:
            newer = self.path.stat().st_mtime > self.stamp
        except OSError:
            newer = False
        if newer:
            self.load()

    # ---- rows ----

    def _auto(self) -> int | None:
        return next((place for place, column in enumerate(self.columns) if column.auto), None)

    def places(self, names: Iterable[str]) -> list[int]:
        """Numbers of columns. Raises DbError: there is no such column."""
        try:
            return [self.index[name] for name in names]
        except KeyError as error:
            raise DbError(f"table {self.path.name} has no column {error.args[0]!r}") from None

    def matching(self, where: Sequence[Where]) -> Callable[[list[DbValue]], bool]:
        """A test for rows."""
        conditions = [(self.places([one.column])[0], one.operator.lower(), one.value) for one in where]
        return lambda row: all(_matches(row[place], operator, value) for place, operator, value in conditions)

    def select(self, columns: Sequence[str], where: Sequence[Where], limit: int) -> list[Row]:
        """Rows in the order of the file."""
        places = self.places(columns) if columns else range(len(self.columns))
        test = self.matching(where)
        found: list[Row] = []
        for row in self.rows:
            if test(row):
                found.append(tuple([row[place] for place in places]))
                if len(found) == limit:
                    break
        return found

    def insert(self, values: Mapping[str, DbValue]) -> int:
        """Add a row; its automatic number, or 0. Raises DbError."""
        row: list[DbValue] = [None] * len(self.columns)
        for place, value in zip(self.places(values), values.values(), strict=True):
            row[place] = self.columns[place].convert(value)
        auto = self._auto()
        for place, column in enumerate(self.columns):
            if row[place] is not None or column.null:
                continue
            if place != auto:
                raise DbError(f"column {column.name} of table {self.path.name} cannot be empty")
            row[place] = self.next_auto
        number = 0
        if auto is not None:
            number = int(row[auto] or 0)
            self.next_auto = max(self.next_auto, number + 1)
        self.rows.append(row)
        self.changed = True
        return number

    def update(self, values: Mapping[str, DbValue], where: Sequence[Where]) -> int:
        """Change rows; how many. Raises DbError."""
        changes = [
            (place, self.columns[place].convert(value))
            for place, value in zip(self.places(values), values.values(), strict=True)
        ]
        for place, value in changes:
            if value is None and not self.columns[place].null:
                raise DbError(f"column {self.columns[place].name} of table {self.path.name} cannot be empty")
        test = self.matching(where)
        count = 0
        for row in self.rows:
            if test(row):
                for place, value in changes:
                    row[place] = value
                count += 1
        self.changed = self.changed or count > 0
        return count

    def delete(self, where: Sequence[Where]) -> int:
        """Remove rows; how many."""
        test = self.matching(where)
        kept = [row for row in self.rows if not test(row)]
        count = len(self.rows) - len(kept)
        if count:
            self.rows = kept
            self.changed = True
        return count
