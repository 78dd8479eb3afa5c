"""Users and groups that own what a module makes in the file system."""

from __future__ import annotations

import grp
import pwd
from typing import Final

NO_CHANGE: Final = -1
"""For chown(): the owner stays."""


def user_id(name: int | str) -> int:
    """A user by name or number; raises ValueError."""
    if isinstance(name, int) or name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ValueError(f"there is no user {name}") from None


def group_id(name: int | str) -> int:
    """A group by name or number; raises ValueError."""
    if isinstance(name, int) or name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ValueError(f"there is no group {name}") from None
