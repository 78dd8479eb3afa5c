"""The module: its parameters, its script functions, and the MI switch of the pings (pinger.py)."""

from __future__ import annotations

from typing import Any

from engine.errors import SipParseError
from engine.module import (
    BRANCH, FAILURE, LOCAL, ONREPLY, REQUEST, ConfigError, Context, MiError, Module, function, mi_command, modparam, wants,
)
from modules.nathelper.addresses import source_uri
from modules.nathelper.checks import TESTS, is_natted
from modules.nathelper.contacts import TwiceFixed, add_received, fix_contacts
from modules.nathelper.pinger import Pinger, PingRules
from modules.nathelper.pings import PingText
from modules.nathelper.raw import RawSender
from modules.nathelper.sdp import CHANGES, SdpFix, fix_sdp
from modules.shared.reg.base import avp_name
from modules.usrloc.api import Usrloc

_MAX_PARTITIONS = 8


def skipped_lines(text: str) -> str:
    """Parser of oldip_skip: letters c and o."""
    letters = text.replace(" ", "")
    if letters.strip("co"):
        raise ValueError(f"{text!r} may hold the letters o and c only")
    return letters


def reply_codes(text: str) -> frozenset[int]:
    """Parser of sipping_ignore_rpl_codes."""
    codes = set()
    for word in text.split(","):
        if word.strip():
            if not (word.strip().isdigit() and 100 <= int(word) < 700):
                raise ValueError(f"{word.strip()!r} is no status code")
            codes.add(int(word))
    return frozenset(codes)


def no_cluster(value: int | str) -> int | str:
    """Parser of the cluster parameters: only their "off" is taken."""
    if value:
        raise ValueError("needs the module clusterer, which this server does not have: every server pings its own contacts")
    return value


class Nathelper(Module):
    """The module."""

    usrloc: Usrloc | None = wants("usrloc")

    natping_interval = modparam(int, 0, min=0, help="seconds from one ping of a contact to the next, 0: no pings")
    ping_nated_only = modparam(int, 0, help="1: only contacts with usrloc's nat_bflag are pinged")
    natping_partitions = modparam(
        int, 1, min=1, max=_MAX_PARTITIONS, help="parts in which pings are sent",
        effect="pings are always spread evenly over the interval",
    )
    natping_socket = modparam(
        str, "", help="IPv4 address (and port) the 4-byte pings seem to come from; needs the right to use raw sockets",
    )
    received_avp = modparam(str, None, parse=avp_name, help="AVP that fix_nated_register() sets; the same in registrar")
    force_socket = modparam(str, "", help="socket for contacts that came in on none of ours")
    sipping_bflag = modparam(
        str, "", both=True, parse=str, help="branch flag of contacts that get a SIP request instead of 4 bytes",
    )
    remove_on_timeout_bflag = modparam(
        str, "", both=True, parse=str, help="branch flag of contacts that are removed when max_pings_lost is reached",
    )
    sipping_latency_flag = modparam(
        str, "", both=True, parse=str, help="branch flag of contacts whose latency is measured (E_UL_LATENCY_UPDATE)",
    )
    sipping_ignore_rpl_codes = modparam(
        str, frozenset(), parse=reply_codes, help="status codes, separated by commas, that do not count as answer to a ping",
    )
    sipping_from = modparam(str, "", help="URI in From of the pings; needed for SIP pings")
    sipping_method = modparam(str, "OPTIONS", help="method of the pings")
    nortpproxy_str = modparam(str, "a=nortpproxy:yes\r\n", help="line that add-no-rtpproxy adds to SDP, empty for none")
    natping_tcp = modparam(int, 0, help="1: contacts on stream transports are pinged, too, over the connection they have")
    oldip_skip = modparam(str, "", parse=skipped_lines, help="o: no a=oldoip line, c: no a=oldcip line")
    ping_threshold = modparam(int, 3, min=1, help="seconds after which a ping counts as lost")
    max_pings_lost = modparam(int, 3, min=1, help="lost pings in a row after which a contact is removed")
    cluster_id = modparam(int, 0, parse=no_cluster, help="for clusters, which this server does not have")
    cluster_sharing_tag = modparam(str, "", parse=no_cluster, help="for clusters, which this server does not have")

    def mod_init(self) -> None:
        self._marker = self.nortpproxy_str.rstrip("\r\n")
        self._keep_old = "".join(kind for kind in "oc" if kind not in self.oldip_skip)
        self._pinger: Pinger | None = None
        if self.natping_interval:
            self._pinger = self._make_pinger()

    def _make_pinger(self) -> Pinger:
        usrloc = self.usrloc
        if usrloc is None:
            raise ConfigError("nathelper: natping_interval needs the module usrloc", hint='add loadmodule "usrloc.so"')
        nat_flag = usrloc.nat_flag if self.ping_nated_only else 0
        if self.ping_nated_only and not nat_flag:
            raise ConfigError("nathelper: ping_nated_only needs the branch flag nat_bflag of usrloc")
        names = self.server.registry.branch_flag_names
        sip, remove, latency = [
            names.bit(name) if name else 0
            for name in (self.sipping_bflag, self.remove_on_timeout_bflag, self.sipping_latency_flag)
        ]
        if sip and not self.sipping_from:
            raise ConfigError("nathelper: SIP pings (sipping_bflag) need sipping_from")
        if sip and not self.sipping_method:
            raise ConfigError("nathelper: sipping_method is empty")
        if latency and not sip:
            self.log.error("without sipping_bflag no latency is measured")
        threshold = self.ping_threshold
        if sip and (remove or latency) and threshold > self.natping_interval:
            self.log.warning("ping_threshold is longer than the time between two pings: it is set to half of that")
            threshold = max(1, self.natping_interval // 2)
        raw = RawSender.to(self.natping_socket) if self.natping_socket else None
        rules = PingRules(
            self.natping_interval, nat_flag, sip, remove, latency, bool(self.natping_tcp), threshold, self.max_pings_lost,
            self.sipping_ignore_rpl_codes,
        )
        text = PingText(self.sipping_method, self.sipping_from) if self.sipping_from else None
        return Pinger(self.server, self.log, usrloc, rules, text, raw)

    async def child_init(self) -> None:
        pinger = self._pinger
        if pinger is not None:
            if self.force_socket:
                pinger.force_socket = self.server.sockets.find(self.force_socket)
                if pinger.force_socket is None:
                    self.log.warning("force_socket %s is no socket of this server and not used", self.force_socket)
            pinger.start()

    async def destroy(self) -> None:
        if self._pinger is not None:
            self._pinger.close()

    # ---------------------------------------------------------------- functions

    @function(REQUEST | ONREPLY | FAILURE | BRANCH | LOCAL, flags=TESTS)
    def nat_uac_test(self, ctx: Context, flags: str) -> bool:
        """Whether one of the tests says that the sender is behind NAT. 1 / -1.

        flags: names separated by commas, or their sum: private-contact 1, diff-ip-src-via 2, private-via 4, private-sdp 8,
        diff-port-src-via 16, diff-ip-src-contact 32, diff-port-src-contact 64, carrier-grade-nat 128 (RFC 6333 counts as
        private). A test that reads what is not there or broken does not hold.
        """
        try:
            return is_natted(ctx.msg, flags, ctx.src_ip, ctx.src_port)  # type: ignore[arg-type]
        except SipParseError as error:
            self.log.error("nat_uac_test(): %s", error.message)
            return False

    @function(REQUEST | ONREPLY | BRANCH | LOCAL)
    def fix_nated_contact(self, ctx: Context, uri_params: str | None = None) -> int:
        """Put the source's address and port into every Contact, and parameters (";a=b") behind them. 1; -1: done already.

        maddr is taken out. $ct keeps showing what was received.
        """
        try:
            fix_contacts(ctx, uri_params or "")
        except TwiceFixed:
            self.log.error("the Contact was rewritten before, it cannot be again")
            return -1
        except SipParseError as error:
            self.log.error("a Contact is left as it is: %s", error.message)
        return 1

    @function(REQUEST | ONREPLY | FAILURE | BRANCH | LOCAL, flags=CHANGES)
    def fix_nated_sdp(self, ctx: Context, flags: str, ip_address: str | None = None, sdp_fields: str | None = None) -> int:
        """Change the SDP of the message. 1; -1: no body, no such line, or IPv6 in it.

        flags: names separated by commas, or their sum: add-dir-active 1, rewrite-media-ip 2, add-no-rtpproxy 4,
        rewrite-origin-ip 8, rewrite-null-ips 16. ip_address: written by the rewrite flags instead of the source address.
        sdp_fields: more lines, each with CRLF in front; they come with one of the add flags.
        """
        fix_sdp(ctx, SdpFix(flags, ip_address or ctx.src_ip, sdp_fields or "", self._marker, self._keep_old))  # type: ignore[arg-type]
        return 1

    @function(REQUEST)
    def add_rcv_param(self, ctx: Context, flag: int = 0) -> int:
        """Give every Contact ;received="sip:ip:port" with the source: as header parameter, with a flag above 0 inside the URI. 1;
        -1: Contact cannot be read."""
        try:
            add_received(ctx, flag > 0)
        except SipParseError as error:
            self.log.error("failed to parse Contact: %s", error.message)
            return -1
        return 1

    @function(REQUEST)
    def fix_nated_register(self, ctx: Context) -> int:
        """Set received_avp to the source, "sip:ip:port[;transport=tcp]", for save(). 1."""
        if self.received_avp is not None:
            ctx.avps.setdefault(self.received_avp, []).append(source_uri(ctx.src_ip, ctx.src_port, ctx.proto))
        return 1

    # ---------------------------------------------------------------- MI

    @mi_command("nh_enable_ping", help="show whether contacts are pinged, or switch it: 0 off, anything else on")
    def nh_enable_ping(self, status: int | None = None) -> Any:
        """{"Status": 0 or 1} without a parameter."""
        pinger = self._pinger
        if pinger is None:
            raise MiError(400, "NATping disabled from script")
        if status is None:
            return {"Status": int(pinger.enabled)}
        pinger.enabled = bool(status)
        return None
