"""Names of message flags and of branch flags: each kind has 32 bits, a name gets the next one when it is first mentioned."""

from __future__ import annotations

from typing import Final

from engine.errors import ConfigError

MAX_FLAGS: Final = 32


class FlagNames:
    """The flag names of one kind in one script, in the order of their first mention."""

    __slots__ = ("kind", "_bits")

    def __init__(self, kind: str = "message") -> None:
        self.kind = kind
        """"message" or "branch", for error texts."""
        self._bits: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._bits)

    def __contains__(self, name: str) -> bool:
        return name in self._bits

    def bit(self, name: str) -> int:
        """The mask (one bit set) of a flag; a new name gets the next bit. ConfigError when all 32 are taken."""
        found = self._bits.get(name)
        if found is None:
            if len(self._bits) >= MAX_FLAGS:
                raise ConfigError(f"flag <{name}>: a script can name {MAX_FLAGS} {self.kind} flags at most")
            found = self._bits[name] = 1 << len(self._bits)
        return found

    def known(self, name: str) -> int:
        """The mask of a flag that exists, else 0."""
        return self._bits.get(name, 0)

    def names(self, mask: int) -> list[str]:
        """Names of the set bits, newest name first."""
        if not mask:
            return []
        found = [name for name, bit in self._bits.items() if mask & bit]
        found.reverse()
        return found

    def text(self, mask: int) -> str:
        """Those names joined by blanks, as $mf prints them."""
        return " ".join(self.names(mask)) if mask else ""

    def mask_of(self, text: str) -> int:
        """The mask of names separated by blanks; names nobody mentioned in the script count for nothing."""
        mask = 0
        for name in text.split():
            mask |= self._bits.get(name, 0)
        return mask
