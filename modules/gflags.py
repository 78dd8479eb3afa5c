"""gflags: 32 flags that belong to the whole server, switched by the script or from outside.

Manual: OpenSIPS 3.6, module gflags. The script names a flag by its position 0 ... 31, MI by a mask that may hold several.
"""

from __future__ import annotations

from typing import Any

from engine.errors import MiError
from engine.module import ALL_ROUTES, Context, Module, function, mi_command, modparam


def mask_of(position: int) -> int:
    """The mask of a flag; ValueError for one that is not there."""
    if not 0 <= position <= 31:
        raise ValueError(f"flag <{position}> out of range [0..31]")
    return 1 << position


def _mask(text: str) -> int:
    """A decimal or hexadecimal mask. MiError: it is none, or empty."""
    try:
        mask = int(text, 16 if text[:2].lower() == "0x" else 10)
    except ValueError:
        mask = 0
    if not 0 < mask <= 0xFFFFFFFF:
        raise MiError(400, "Bad parameter value")
    return mask


class GFlags(Module):
    """The module."""

    initial = modparam(int, 0, help="flags that are set at start, as a mask")

    def mod_init(self) -> None:
        self.flags = self.initial & 0xFFFFFFFF

    @function(ALL_ROUTES, flag=mask_of)
    def set_gflag(self, ctx: Context, flag: int) -> int:
        """Set a flag. 1."""
        self.flags |= flag
        return 1

    @function(ALL_ROUTES, flag=mask_of)
    def reset_gflag(self, ctx: Context, flag: int) -> int:
        """Clear a flag. 1."""
        self.flags &= ~flag
        return 1

    @function(ALL_ROUTES, flag=mask_of)
    def is_gflag(self, ctx: Context, flag: int) -> bool:
        """Is a flag set? 1 / -1."""
        return self.flags & flag != 0

    @mi_command("set_gflag", help="sets the flags of a mask")
    def mi_set(self, bitmask: str) -> None:
        """400: no mask."""
        self.flags |= _mask(bitmask)

    @mi_command("reset_gflag", help="clears the flags of a mask")
    def mi_reset(self, bitmask: str) -> None:
        """400: no mask."""
        self.flags &= ~_mask(bitmask)

    @mi_command("is_gflag", help="are all flags of a mask set?")
    def mi_is(self, bitmask: str) -> bool:
        """true or false; 400: no mask."""
        mask = _mask(bitmask)
        return self.flags & mask == mask

    @mi_command("get_gflags", help="all flags, hexadecimal and decimal")
    def mi_get(self) -> dict[str, Any]:
        """{"hex", "dec"}."""
        return {"hex": f"0x{self.flags:X}", "dec": str(self.flags)}


exports = GFlags
