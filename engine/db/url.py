"""Database URLs: scheme://[user[:password]@]host[:port]/database[?name=value&...], and scheme:///path for those with files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import unquote

from engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DbUrl:
    """A database URL in its parts."""

    text: str
    scheme: str
    """Lower case; db_SCHEME is the driver's module."""
    user: str = ""
    password: str = ""
    host: str = ""
    port: int = 0
    """0: the driver's default."""
    database: str = ""
    """Name of the database, without the slash."""
    path: str = ""
    """For databases that are files: everything behind the scheme as an absolute path."""
    params: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """For logs: without the password."""
        return self.text.replace(f":{self.password}@", ":***@") if self.password else self.text


def parse_db_url(text: str) -> DbUrl:
    """Read a database URL. Raises ConfigError.

    sqlite:///var/x.sqlite and sqlite://var/x.sqlite are the same file: as in OpenSIPS such paths are always absolute. Ours alone:
    sqlite:./x.sqlite lies in the working directory.
    """
    scheme, colon, rest = text.partition(":")
    if scheme.lower() in ("sqlite", "text") and rest.startswith("./"):
        return DbUrl(text, scheme.lower(), path=os.path.abspath(rest))
    if not colon or not scheme.isidentifier() or not rest.startswith("//"):
        raise ConfigError(f"bad database URL {text!r}", hint="it looks like sqlite:///path or mysql://user:password@host/database")
    rest = rest[2:]
    before, question, query = rest.partition("?")
    params: dict[str, str] = {}
    for piece in query.split("&") if question else ():
        name, _, value = piece.partition("=")
        if name:
            params[name] = unquote(value)
    head, at, tail = before.rpartition("@")
    authority, _, database = (tail if at else before).partition("/")
    user, _, password = head.partition(":")
    host, port = authority, 0
    if not authority.endswith("]") and ":" in authority:
        host, _, number = authority.rpartition(":")
        if not number.isdigit() or int(number) > 65535:
            raise ConfigError(f"bad port in the database URL {text!r}")
        port = int(number)
    return DbUrl(
        text, scheme.lower(), unquote(user), unquote(password), host, port, database, "/" + before.lstrip("/"), params,
    )
