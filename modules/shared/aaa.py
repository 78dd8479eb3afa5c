"""What a module aaa_NAME (RADIUS, Diameter ...) offers to those that ask a server about users: aaa_url "radius:/path"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from engine.errors import ConfigError

Attribute = tuple[str, str]
"""Name of an attribute of the dictionary, and its value: a text, or the name of a value."""


class AaaError(Exception):
    """The server cannot be asked: not reachable, or an attribute is not in the dictionary."""


class Connection(Protocol):
    """A configured client."""

    async def authorize(self, attributes: Sequence[Attribute]) -> bool:
        """Send an authorization request; whether it was accepted. Raises AaaError."""


class Driver(Protocol):
    """The module."""

    async def connect(self, configuration: str) -> Connection:
        """A client by what stands behind the colon of the URL. Raises AaaError."""


def find_aaa(registry: Any, url: str) -> tuple[Driver, str]:
    """The loaded driver of a URL and its configuration. Raises ConfigError."""
    scheme, colon, configuration = url.partition(":")
    if not scheme or not colon:
        raise ConfigError(f"bad AAA URL {url!r}", hint="it looks like radius:/etc/radiusclient/radiusclient.conf")
    driver = registry.get(f"aaa_{scheme}")
    if driver is None:
        raise ConfigError(f"the AAA URL {url} needs module aaa_{scheme}, but it was not loaded!")
    return driver, configuration
