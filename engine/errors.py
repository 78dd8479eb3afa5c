"""Every exception class of the engine, on one screen.

Not found, no match and no contact are answers (return codes, None), never exceptions. A message from the network raises
SipParseError or nothing; any other exception there is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class OpensipsError(Exception):
    """Base of all errors this project raises on purpose."""


class ConfigError(OpensipsError):
    """A mistake in the routing script, its parameters or its environment: start-up, check and reload only.

    file, line and column say where (line and column from 1, 0 when there is no place); hint is a second sentence that
    says what to do, e.g. the nearest known name. status "start" marks what OpenSIPS' own checker finds only at start.
    """

    def __init__(
        self, message: str, file: str = "", line: int = 0, column: int = 0, end_column: int = 0, hint: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.end_column = end_column
        self.hint = hint
        self.include_stack: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.message}" + (f" ({self.hint})" if self.hint else "")


class ScriptSyntaxError(ConfigError):
    """The text is not OpenSIPS script."""


class UnknownName(ConfigError):
    """A function, variable, transformation, module, route or parameter that nobody provides."""


class ModparamError(ConfigError):
    """A module parameter with a wrong name, type or value."""


class ConfigErrors(OpensipsError):
    """All errors of one reading of a script, in the order of the text; warnings: what was noticed besides (ConfigWarning)."""

    def __init__(self, errors: list[ConfigError], warnings: Sequence[Any] = ()) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors
        self.warnings = list(warnings)


class SipParseError(OpensipsError):
    """Bytes that are not SIP. status_hint is the reply a server might give, part what was being read ("bad Via header")."""

    def __init__(self, message: str, status_hint: int = 400, part: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status_hint = status_hint
        self.part = part or message


class TransportError(OpensipsError):
    """Sending or connecting failed; code is OpenSIPS' (E_SEND -477, E_BAD_ADDRESS -476 ...) and becomes $rc."""

    def __init__(self, message: str, code: int = -477) -> None:
        super().__init__(message)
        self.code = code


class ScriptError(OpensipsError):
    """A script function gives up: the message is logged with the script's line and code becomes the return value."""

    def __init__(self, message: str, code: int = -1) -> None:
        super().__init__(message)
        self.code = code


class DbError(OpensipsError):
    """A database said no, or cannot be reached; the text says which and why."""


class DbRefused(DbError):
    """The database works but does not take these values (too long, out of range, not unique): trying again is of no use."""


class MiError(OpensipsError):
    """An MI command's own failure: becomes the JSON-RPC error with this code, message and optional data."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
