"""Nonces: what a challenge holds so that nothing has to be remembered of it.

A nonce is 44 characters of base64: one byte for algorithm and qop of its challenge, the time it ends in milliseconds (6 bytes),
10 random bytes, and the first 16 bytes of an HMAC-SHA256 over them. So it cannot be made up, serves for the algorithm and the
qop it was offered with only, and ends by itself. Servers that share a secret accept each other's.

That a nonce was used is remembered until it ends, in two sets that take turns: a nonce used in one turn has ended when the next
turn is over. A nonce older than this process is refused where nonces are good once, since its use cannot be known.
"""

from __future__ import annotations

import binascii
import hmac
import os
from collections.abc import Callable
from typing import Final, NamedTuple

from engine.sip.digest import ALGORITHMS

QOPS: Final[tuple[str, ...]] = ("", "auth", "auth-int", "auth,auth-int", "auth-int,auth")
"""What a challenge may say about qop, by the number in its nonce."""

LENGTH: Final = 44
_SEALED: Final = 17
"""Bytes in front of the seal."""
_SEAL: Final = 16


class Nonce(NamedTuple):
    """What a nonce of ours says."""

    algorithm: str
    qop: str
    ends: int
    """Milliseconds since 1970."""
    ident: bytes


class Nonces:
    """Gives nonces out and takes them back."""

    def __init__(self, secret: bytes, lifetime: int, once: bool, wall: Callable[[], float]) -> None:
        self._secret = secret
        self._lifetime = lifetime * 1000
        self._once = once
        self._wall = wall
        self._start = self._now()
        self._turn = self._start
        """When the present turn began."""
        self._used: set[bytes] = set()
        self._used_before: set[bytes] = set()

    def _now(self) -> int:
        return int(self._wall() * 1000)

    def issue(self, algorithm: str, qop: str) -> str:
        """A fresh nonce for a challenge with this algorithm (canonical spelling) and qop (one of QOPS)."""
        kind = ALGORITHMS.index(algorithm) << 3 | QOPS.index(qop)
        text = bytes((kind,)) + (self._now() + self._lifetime).to_bytes(6, "big") + os.urandom(10)
        return binascii.b2a_base64(text + self._seal(text), newline=False).decode("ascii")

    def _seal(self, text: bytes) -> bytes:
        return hmac.digest(self._secret, text, "sha256")[:_SEAL]

    def read(self, text: str) -> Nonce | None:
        """What a nonce says; None when it was not made with our secret."""
        if len(text) != LENGTH or not text.isascii():
            return None
        try:
            data = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            return None
        if len(data) != _SEALED + _SEAL:
            return None
        front = data[:_SEALED]
        if not hmac.compare_digest(self._seal(front), data[_SEALED:]):
            return None
        algorithm, qop = divmod(front[0], 8)
        return Nonce(ALGORITHMS[algorithm], QOPS[qop], int.from_bytes(front[1:7], "big"), front[7:])

    def use(self, nonce: Nonce) -> bool:
        """Whether a nonce is good now; where nonces are good once it is not a second time. A server with a longer lifetime or
        a clock ahead of ours does not make it good for longer."""
        now = self._now()
        if now >= nonce.ends or nonce.ends > now + self._lifetime:
            return False
        if not self._once:
            return True
        if nonce.ends - self._lifetime < self._start:
            return False
        self._take_turn(now)
        if nonce.ident in self._used or nonce.ident in self._used_before:
            return False
        self._used.add(nonce.ident)
        return True

    def _take_turn(self, now: int) -> None:
        """Forget the used nonces that have ended. A clock that was set back forgets nothing."""
        passed = now - self._turn
        if 0 <= passed < self._lifetime:
            return
        if passed > 0:
            self._used_before = self._used if passed < 2 * self._lifetime else set()
            self._used = set()
        self._turn = now
