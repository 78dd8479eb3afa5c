"""What other modules may use of domain: needs("domain") gives an object of this shape."""

from __future__ import annotations

from typing import Protocol


class Domains(Protocol):
    """The domain module."""

    def is_local(self, host: str) -> bool:
        """Whether this server is responsible for a host. May wait for the database."""
