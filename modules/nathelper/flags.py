"""Flags of script functions: names separated by commas (3.2 and later), or the number they make together (3.1)."""

from __future__ import annotations

from typing import ClassVar

from engine.errors import ConfigError


class FlagSet:
    """The flags of one function; the first name is bit 1. Calling it reads a text: a fixup. Raises ConfigError."""

    __slots__ = ("function", "bits")
    takes_numbers: ClassVar[bool] = True
    """A literal number may stand where the function wants a text."""

    def __init__(self, function: str, names: tuple[str, ...]) -> None:
        self.function = function
        self.bits = {name: 1 << place for place, name in enumerate(names)}

    def __call__(self, text: str) -> int:
        mask = 0
        for word in text.split(","):
            name = word.strip()
            if not name:
                continue
            bit = self.bits.get(name.lower())
            if bit is None:
                try:
                    bit = int(name, 0)
                except ValueError:
                    raise ConfigError(f"{self.function}: unknown flag {name!r}", hint=f"known: {', '.join(self.bits)}") from None
                if not 0 <= bit < 1 << len(self.bits):
                    raise ConfigError(f"{self.function}: {name} is more than its {len(self.bits)} flags together")
            mask |= bit
        return mask
