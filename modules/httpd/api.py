"""What other modules may use of httpd: a path of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, frozen=True)
class HttpRequest:
    """What a path's handler gets."""

    method: str
    path: str
    """What follows the root, "" or beginning with a slash."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names without case."""
    body: bytes
    peer: str
    """Address of the client."""


@dataclass(slots=True, frozen=True)
class HttpReply:
    """What it gives back."""

    status: int
    content_type: str
    body: bytes = b""


Handler = Callable[[HttpRequest], Awaitable[HttpReply]]


class HttpServer(Protocol):
    """The httpd module: needs("httpd") gives an object of this shape."""

    def add_path(self, root: str, handler: Handler, module: str = "") -> None:
        """Have handler(request) answer everything below /root; call it in mod_init. ConfigError when the root is taken."""
