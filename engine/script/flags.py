"""Names of message flags and of branch flags: each kind has 32 bits, a name gets the next one when it is first mentioned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Final

from engine.errors import ConfigError
from engine.script import nodes

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


_MESSAGE_FLAGS: Final = frozenset(("msg.flag",))
_BRANCH_FLAGS: Final = frozenset(("msg.branch.flag", "branch.flag"))


def _variables(node: object) -> Iterator[nodes.Var]:
    """The variables of a tree of nodes in the order of the text."""
    if isinstance(node, nodes.Var):
        yield node
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _variables(item)
    elif is_dataclass(node):
        for field in fields(node):
            if field.name != "pos":
                yield from _variables(getattr(node, field.name))


def mention_flags(routes: list[nodes.Route], message: FlagNames, branch: FlagNames) -> None:
    """Give bits to the flags that variables outside of strings name, all of them before any flag in a string or an argument:
    the order shows in $mf and $bf. What is too much is left out here and reported where it stands."""
    for variable in _variables(routes):
        spec = variable.spec
        if not spec.inner or spec.inner_var is not None:
            continue
        names = message if spec.name in _MESSAGE_FLAGS else branch if spec.name in _BRANCH_FLAGS else None
        if names is not None and len(names) < MAX_FLAGS:
            names.bit(spec.inner)
