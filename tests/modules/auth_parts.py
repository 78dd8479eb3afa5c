"""What the tests of digest authentication share: a client that answers challenges, made from RFC 7616, not from our code."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

MODULES = 'loadmodule "sl.so"\nloadmodule "signaling.so"\nloadmodule "auth.so"\n'

HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
}


def field(challenge: str, name: str) -> str:
    """A field of a challenge, "" without it."""
    found = re.search(rf'\b{name}="?([^",]*)', challenge)
    return found[1] if found else ""


def credentials(
    challenge: str, user: str = "alice", password: str = "secret", method: str = "INFO", uri: str = "sip:x", body: str = "", *,
    qop: str | None = None, nc: str = "00000001", cnonce: str = "c", **other: str,
) -> str:
    """The value of an Authorization header for a challenge. qop: default, what the challenge offers; other: fields with other
    values than the right ones."""
    algorithm = field(challenge, "algorithm")
    digest = HASHES[(algorithm or "MD5").removesuffix("-sess")]
    nonce, realm = field(challenge, "nonce"), field(challenge, "realm")
    quality = field(challenge, "qop") if qop is None else qop

    def hashed(*parts: str) -> str:
        return digest(":".join(parts).encode("latin-1"))

    ha1 = hashed(user, realm, password)
    if algorithm.endswith("-sess"):
        ha1 = hashed(ha1, nonce, cnonce)
    ha2 = hashed(method, uri, digest(body.encode("latin-1"))) if quality == "auth-int" else hashed(method, uri)
    response = hashed(ha1, nonce, nc, cnonce, quality, ha2) if quality else hashed(ha1, nonce, ha2)
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": uri, "response": response} | other
    text = "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items())
    if algorithm:
        text += f", algorithm={algorithm}"
    if quality:
        text += f', qop={quality}, nc={nc}, cnonce="{cnonce}"'
    return text
