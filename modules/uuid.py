"""uuid: unique identifiers (RFC 4122, version 7 of RFC 9562) in the variable $uuid and by the function uuid().

Manual: OpenSIPS 3.6, module uuid.
"""

from __future__ import annotations

import os
import uuid as uuids

from engine.module import ALL_ROUTES, Context, Module, ScriptError, Value, Var, function, pvar
from modules.shared.output import put


def version_7(milliseconds: int) -> uuids.UUID:
    """RFC 9562 5.7: 48 bits of time in front of random ones."""
    number = (milliseconds & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    return uuids.UUID(int=number & ~(0xF << 76 | 0x3 << 62) | 7 << 76 | 2 << 62)


def by_name(version: int, namespace: str, name: str) -> uuids.UUID:
    """RFC 4122 4.3: of a name in a namespace. The name counts byte for byte. ValueError: the namespace is no UUID."""
    space = uuids.UUID(namespace)
    if name.isascii():
        return uuids.uuid3(space, name) if version == 3 else uuids.uuid5(space, name)
    import hashlib

    digest = hashlib.new("md5" if version == 3 else "sha1", space.bytes + name.encode("latin-1"), usedforsecurity=False)
    return uuids.UUID(bytes=digest.digest()[:16], version=version)


class Uuid(Module):
    """The module."""

    @pvar("uuid")
    def fresh(self, ctx: Context) -> Value:
        """$uuid: a new random one (version 4) at every read."""
        return str(uuids.uuid4())

    @function(ALL_ROUTES, writable=("out_var",))
    def uuid(
        self, ctx: Context, out_var: Var, version: int = 0, namespace: str | None = None, name: str | None = None,
    ) -> int:
        """Set out_var to a new identifier of version 1, 3, 4, 5 or 7; 0 is 4, 2 is taken as 0 with a warning.

        namespace, name: for 3 and 5. 1; 2: version 1 without a guard against a second process; -1 bad version or namespace.
        """
        code = 1
        if version == 2:
            self.log.warning("UUID version: 2 not supported! Using default algorithm")
        if version in (0, 2, 4):
            made = uuids.uuid4()
        elif version == 1:
            made = uuids.uuid1()
            code = 1 if made.is_safe is uuids.SafeUUID.safe else 2
        elif version == 7:
            made = version_7(int(self.server.wall() * 1000))
        elif version in (3, 5):
            if namespace is None or name is None:
                raise ScriptError(f"UUID version {version} needs a namespace and a name")
            try:
                made = by_name(version, namespace, name)
            except ValueError:
                raise ScriptError(f"Invalid UUID for namespace: {namespace}") from None
        else:
            raise ScriptError(f"Bad UUID version: {version}")
        put(ctx, out_var, str(made))
        return code


exports = Uuid
