"""GRUUs, RFC 5627: URIs that mean one device of a user wherever it is.

The public one is the AoR with the instance in the clear. The temporary one hides both: its user part is the encrypted text
of AoR, instance and Call-ID of the registration, with a checksum, so that nothing has to be remembered for it. It ends to be
valid when the device registers under another Call-ID.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

PREFIX = "tgruu."
_NONCE = 8
_MAC = 8


def public(aor: str, instance: str, place: str) -> str:
    """The public GRUU. place: host:port added to an AoR without domain, "" otherwise."""
    return f"sip:{aor}{'@' + place if place else ''};gr={instance[1:-1]}"


def temporary(aor: str, instance: str, call_id: str, place: str, secret: str) -> str:
    """A temporary GRUU, another one each time."""
    plain = "\0".join((aor, instance[1:-1], call_id)).encode("latin-1")
    nonce = os.urandom(_NONCE)
    mixed = nonce + _mix(plain, nonce, secret)
    sealed = mixed + _seal(mixed, secret)
    return f"sip:{PREFIX}{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}@{place};gr"


def read_temporary(user: str, secret: str) -> tuple[str, str, str] | None:
    """AoR, instance and Call-ID in the user part of a temporary GRUU; None when it is not one of ours."""
    text = user[len(PREFIX):]
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    mixed, seal = sealed[:-_MAC], sealed[-_MAC:]
    if len(mixed) <= _NONCE or not hmac.compare_digest(seal, _seal(mixed, secret)):
        return None
    parts = _mix(mixed[_NONCE:], mixed[:_NONCE], secret).decode("latin-1").split("\0")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else None


def _mix(text: bytes, nonce: bytes, secret: str) -> bytes:
    """Encrypt or decrypt: the text against a key stream made of secret and nonce."""
    key = secret.encode("latin-1", "replace")
    stream = b"".join(
        hmac.digest(key, nonce + block.to_bytes(4, "big"), hashlib.sha256) for block in range(len(text) // 32 + 1)
    )
    return bytes(a ^ b for a, b in zip(text, stream, strict=False))


def _seal(mixed: bytes, secret: str) -> bytes:
    return hmac.digest(secret.encode("latin-1", "replace"), b"seal" + mixed, hashlib.sha256)[:_MAC]
