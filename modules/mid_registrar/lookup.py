"""From a call that the registrar behind has sent here to the devices it is meant for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import SipParseError
from engine.sip.uri import parse_uri
from modules.mid_registrar.keys import BY_AOR
from modules.mid_registrar.upstream import read_aor
from modules.shared.reg.lookup import Lookup
from modules.shared.reg.refusals import BAD_AOR, Refused

if TYPE_CHECKING:
    from modules.mid_registrar.module import MidRegistrar


class MidLookup(Lookup):
    """One mid_registrar_lookup()."""

    __slots__ = ()

    mod: MidRegistrar

    def find(self, uri: str, aor: str | None) -> tuple[list[Any], str, str] | None:
        """Modes 0 and 1: the contact whose id the URI carries. Mode 2: all contacts of the AoR in its user part."""
        mod = self.mod
        try:
            parsed = parse_uri(uri)
        except SipParseError:
            raise Refused(BAD_AOR) from None
        if mod.mode != BY_AOR:
            number = mod.contact_id_of(parsed)
            if number is None:
                mod.log.error("<%s> carries no contact id", uri)
                return None
            found = mod.usrloc.by_contact_id(self.domain, number)
            return None if found is None else ([found[1]], "", "")
        if parsed.param("gr") is not None and not mod.usrloc.use_domain:
            return super().find(uri, None)
        key = read_aor(parsed.user or "", mod.at_escape_str, bool(mod.usrloc.use_domain))
        record = self.domain.get(key if mod.case_sensitive else key.lower())
        return None if record is None else (record.contacts, "", "")
