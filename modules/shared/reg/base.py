"""The parameters and neighbours that registrar and mid_registrar share, and what is made of them at start."""

from __future__ import annotations

from typing import Any

from engine.module import ConfigError, Module, ScriptError, Value, modparam, needs, text_of, wants
from modules.event_routing.api import EventRouting
from modules.shared.reg.aor import AorRules
from modules.shared.reg.flags import LookupFlags, SaveFlags, is_letters, parse_lookup_flags, parse_save_flags
from modules.shared.reg.push import Push
from modules.shared.reg.refusals import Refused
from modules.shared.reg.wake import Wake
from modules.tm.api import Tm
from modules.usrloc.api import Udomain, Usrloc


def avp_name(text: str) -> str:
    """Parser of modparams that name an AVP: "$avp(x)" (or 3.1's "$avp(s:x)") is x."""
    name = text.strip()
    if not name.startswith("$avp(") or not name.endswith(")"):
        raise ValueError(f"must be an AVP, $avp(name), not {text!r}")
    name = name[5:-1].strip()
    return name[2:] if name[:2] in ("s:", "i:") else name


class RegBase(Module):
    """Base class of both registrars."""

    usrloc: Usrloc = needs("usrloc")
    signaling: Any = needs("signaling")
    tm: Tm | None = wants("tm")
    event_routing: EventRouting | None = wants("event_routing")

    default_expires = modparam(int, 3600, min=0, help="lifetime of a contact in seconds when the request gives none")
    min_expires = modparam(int, 60, min=0, help="least lifetime granted, 0: no limit")
    max_expires = modparam(int, 0, min=0, help="longest lifetime granted, 0: no limit")
    expires_max_deviation = modparam(int, 0, help="seconds by which a lifetime is changed at random, within the limits")
    default_q = modparam(int, -1, help="q of contacts without, in thousandths; -1: none")
    max_contacts = modparam(int, 0, min=0, help="contacts of one AoR, 0: any number")
    case_sensitive = modparam(int, 1, help="whether the user part of an AoR keeps its case")
    realm_prefix = modparam(str, "", help="cut off the front of the domain of an AoR")
    received_avp = modparam(str, None, parse=avp_name, help="AVP with sip:ip:port the REGISTER came from")
    received_param = modparam(str, "received", help="name of the Contact parameter that shows it in replies")
    retry_after = modparam(int, 0, min=0, help="seconds in Retry-After of 5xx replies, 0: no such header")
    attr_avp = modparam(str, None, parse=avp_name, help="AVP stored with a contact and given back by lookup()")
    tcp_persistent_flag = modparam(str, None, help="message flag: keep the connection as long as the registration")
    gruu_secret = modparam(str, "0p3nS1pS", help="key of temporary GRUUs")
    disable_gruu = modparam(int, 1, help="0: give GRUUs to devices that support them")
    max_username_len = modparam(int, 64, min=1)
    max_domain_len = modparam(int, 64, min=1)
    max_aor_len = modparam(int, 256, min=1)
    max_contact_len = modparam(int, 255, min=1)
    allow_dup_cseq = modparam(int, 0, help="1: carry out a refresh with the CSeq of the last one")

    pn_enable = modparam(int, 0, help="push notification, RFC 8599")
    pn_providers = modparam(str, None, help="values of pn-provider served here, separated by commas")
    pn_ct_match_params = modparam(
        str, "pn-provider, pn-prid, pn-param", help="URI parameters that tell push contacts apart; removed from the R-URI",
    )
    pn_pnsreg_interval = modparam(int, 130, min=0, help="announced in +sip.pnsreg")
    pn_trigger_interval = modparam(int, 120, min=0, help="seconds before expiry in which a refresh is asked for")
    pn_skip_pn_interval = modparam(int, 0, min=0, help="seconds after a registration in which no push is needed")
    pn_refresh_timeout = modparam(int, 6, min=1, help="seconds a request waits for the device")
    pn_enable_purr = modparam(int, 0, help="+sip.pnspurr in replies, pn_process_purr() in the script")
    pn_provider_match_params = modparam(
        str, None, multi=True, help="`webpush: pn-provider, pn-prid`: match parameters of one provider (not in OpenSIPS)",
    )
    pn_purr_secret = modparam(str, None, help="encrypt +sip.pnspurr so that nobody can guess it (not in OpenSIPS)")
    pn_purr_lifetime = modparam(
        int, 0, min=0, max=86400 * 365,
        help="seconds after which a registration gets another PURR, with pn_purr_secret; old ones are good for two more (not in OpenSIPS)",
    )
    pn_feature_caps_star = modparam(int, 0, help="1: Feature-Caps begins with `*;`, RFC 6809 (not in OpenSIPS)")
    pn_hide_params = modparam(int, 0, help="1: replies show pn- parameters of the own binding only (not in OpenSIPS)")
    pn_remove_without_prid = modparam(
        int, 0, help="1: a lifetime of 0 without pn-prid removes the binding, RFC 8599 4.1.2 (not in OpenSIPS 3.6)",
    )
    pn_short_lifetime = modparam(
        int, 0, choices=(0, 1, 2),
        help="a lifetime below pn_trigger_interval: 0 accept, 1 accept without push, 2 refuse with 423 (not in OpenSIPS)",
    )
    pn_timeout_code = modparam(
        int, 1, min=1, help="code in the resume route of pn_process_purr() when the device stayed away (not in OpenSIPS)",
    )

    def mod_init(self) -> None:
        """Bring the parameters into order as OpenSIPS does, with a log line for what had to be changed."""
        self.expires_max_deviation = abs(self.expires_max_deviation)
        if self.max_expires and self.max_expires < self.min_expires:
            self.log.error("max_expires (%d) < min_expires (%d), raising it", self.max_expires, self.min_expires)
            self.max_expires = self.min_expires
        if self.default_expires < self.min_expires:
            self.log.error("default_expires (%d) < min_expires (%d), raising it", self.default_expires, self.min_expires)
            self.default_expires = self.min_expires
        if self.max_expires and self.default_expires > self.max_expires:
            self.log.error("default_expires (%d) > max_expires (%d), lowering it", self.default_expires, self.max_expires)
            self.default_expires = self.max_expires
        self.default_q = -1 if self.default_q < 0 else min(self.default_q, 1000)
        self.aor_rules = AorRules(
            bool(self.usrloc.use_domain), bool(self.case_sensitive), self.realm_prefix, self.max_username_len,
            self.max_domain_len, self.max_aor_len, self.gruu_secret,
        )
        names = self.server.registry.flag_names
        self.tcp_flag: int = names.bit(self.tcp_persistent_flag) if self.tcp_persistent_flag else 0
        self.push: Push | None = None
        self.wake: Wake | None = None
        if self.pn_enable:
            if self.tm is None or self.event_routing is None:
                missing = "tm" if self.tm is None else "event_routing"
                raise ConfigError(f"modparam pn_enable of {self.name} needs the module {missing}, which is not loaded")
            if self.server.compat == "3.1":
                self.pn_remove_without_prid = 1
            self.push = Push(self)
            self.wake = Wake(self, self.push)
            self.usrloc.set_refresh_lead(self.pn_trigger_interval)

    def cfg_validate(self, script: Any) -> None:
        """Push notification in mid-dialog requests needs both ends: a Route to come back by, and the waiting."""
        purr_used = script.uses_async("pn_process_purr")
        if not (self.pn_enable and self.pn_enable_purr):
            if purr_used:
                raise ConfigError(f"pn_process_purr() is used, but modparam pn_enable_purr of {self.name} is off")
            return
        if not any(script.uses(name) for name in ("record_route", "record_route_preset", "topology_hiding")):
            raise ConfigError(
                "modparam pn_enable_purr is set, but the script never enters itself into dialogs",
                hint="call record_route() for initial requests",
            )
        if not purr_used:
            raise ConfigError("modparam pn_enable_purr is set, but the script has no async(pn_process_purr(...), ...)")

    # ---- fixups, common to the functions of both modules ----

    def table(self, name: str) -> Udomain:
        """The table of that name; it comes into being by being named."""
        return self.usrloc.domain(name)

    def save_flags(self, text: str) -> SaveFlags:
        """Flags of save(). Letters make the script one for OpenSIPS 3.1: 3.6 refuses them."""
        try:
            if is_letters(text):
                self.server.speaks_31 = True
            flags = parse_save_flags(text)
            if flags.odd:
                self.log.error("invalid value <%s> for matching-mode, which is 0, 1 or <name of a URI parameter>: ignored", flags.odd)
            return flags
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def lookup_flags(self, text: str) -> LookupFlags:
        """Flags of lookup()."""
        try:
            return parse_lookup_flags(text)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    # ---- small services ----

    def seconds(self) -> int:
        """Wall clock in whole seconds: lifetimes and limits are compared in these."""
        return int(self.server.wall())

    def aor_of(self, uri: str, code: int = -1) -> str:
        """The AoR of a URI for functions that have no reply to give. Raises ScriptError(code)."""
        try:
            return self.aor_rules.aor(uri)
        except Refused as refused:
            raise ScriptError(f"failed to extract Address Of Record from <{uri}>: {refused}", code) from None

    def newest(self, avps: dict[str, list[Value]], name: str | None) -> str:
        """Text of the newest value of an AVP, "" without one."""
        values = avps.get(name) if name is not None else None
        return (text_of(values[-1]) or "") if values else ""


def is_current(contact: Any, now: int) -> bool:
    """Whether a contact has not expired (0: it never does)."""
    return contact.expires == 0 or contact.expires > now
