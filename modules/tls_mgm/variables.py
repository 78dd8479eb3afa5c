"""$tls_...: what is known about the TLS connection a message came over. NULL for messages that came without TLS."""

from __future__ import annotations

from typing import Any

from engine.module import Context, Module, TextNumber, Value, pvar
from engine.transport.tls import TlsSession
from modules.tls_mgm.certificates import Certificate
from modules.tls_mgm.domains import Domain


def session_of(ctx: Context) -> TlsSession | None:
    """The TLS session of the message's connection."""
    session = getattr(ctx.connection, "tls", None)
    return session if isinstance(session, TlsSession) and session.ready else None


def peer_of(ctx: Context) -> Certificate | None:
    """The certificate the peer showed."""
    session = session_of(ctx)
    shown = session.peer_certificate() if session is not None else None
    if shown is None:
        return None
    try:
        return Certificate(shown)
    except ValueError:
        return None


def own_of(ctx: Context) -> Certificate | None:
    """The certificate we showed."""
    session = session_of(ctx)
    return session.domain.own if session is not None and isinstance(session.domain, Domain) else None


def _from(variable: str, read: Any) -> pvar:
    """A variable that reads a certificate: the peer's or ours, as its name says."""
    peer = variable.startswith("tls_peer")
    certificate = peer_of if peer else own_of

    def get(self: Module, ctx: Context) -> Value:
        found = certificate(ctx)
        try:
            return None if found is None else read(found)
        except ValueError as error:             # OpenSSL is more patient with odd certificates
            self.log.error("certificate cannot be read: %s", error)
            return None

    get.__doc__ = f"Of the certificate {'the peer' if peer else 'we'} showed: {' '.join(variable.split('_')[2:])}."
    return pvar(variable)(get)


def _name(variable: str) -> pvar:
    """$tls_peer_subject, $tls_my_issuer_cn ...: a whole name, or one part of it."""
    words = variable.split("_")
    issuer = words[2] == "issuer"
    if len(words) == 3:
        return _from(variable, lambda found: found.name(issuer))
    return _from(variable, lambda found: found.part(issuer, words[3]))


def _alternative(variable: str) -> pvar:
    """$tls_peer_san_hostname ...: the first alternative name of a kind."""
    word = variable.rpartition("_")[2]
    return _from(variable, lambda found: next(iter(found.alternatives(word)), None))


def _number(value: int) -> Value:
    return TextNumber(str(value), value)


def _claim(variable: str, judge: Any) -> pvar:
    """$tls_peer_verified ...: 1 or 0."""

    def get(self: Module, ctx: Context) -> Value:
        session = session_of(ctx)
        if session is None:
            return None
        return _number(int(bool(judge(ctx, session))))

    get.__doc__ = f"1 when the peer's certificate is {variable.rpartition('_')[2]}, else 0."
    return pvar(variable)(get)


def _is_expired(ctx: Context, session: TlsSession) -> bool:
    found = peer_of(ctx)
    return found is not None and not session.is_verified and found.is_expired(ctx.server.wall())


def _is_self_signed(ctx: Context, session: TlsSession) -> bool:
    found = peer_of(ctx)
    return found is not None and not session.is_verified and found.is_self_signed


def _is_revoked(ctx: Context, session: TlsSession) -> bool:
    found, domain = peer_of(ctx), session.domain
    return found is not None and not session.is_verified and isinstance(domain, Domain) and found.is_revoked(domain.crl_dir)


class TlsVariables(Module):
    """The variables of tls_mgm. The peer's failings can only be seen where the domain does not insist (verify_cert 0): elsewhere
    such a peer gets no connection."""

    @pvar("tls_version")
    def tls_version(self, ctx: Context) -> Value:
        """Version of the protocol: TLSv1.3."""
        session = session_of(ctx)
        return session.object.version() if session is not None and session.object is not None else None

    @pvar("tls_description")
    def tls_description(self, ctx: Context) -> Value:
        """The cipher in OpenSSL's words."""
        session = session_of(ctx)
        cipher = session.object.cipher() if session is not None and session.object is not None else None
        if session is None or session.object is None or cipher is None:
            return None
        for known in session.object.context.get_ciphers():
            if known["name"] == cipher[0]:
                return str(known["description"]).rstrip("\n")
        return None

    @pvar("tls_cipher_info")
    def tls_cipher_info(self, ctx: Context) -> Value:
        """Name of the cipher."""
        session = session_of(ctx)
        cipher = session.object.cipher() if session is not None and session.object is not None else None
        return cipher[0] if cipher else None

    @pvar("tls_cipher_bits")
    def tls_cipher_bits(self, ctx: Context) -> Value:
        """Bits of the cipher."""
        session = session_of(ctx)
        cipher = session.object.cipher() if session is not None and session.object is not None else None
        return _number(cipher[2]) if cipher else None

    tls_peer_version = _from("tls_peer_version", lambda found: found.version)
    tls_my_version = _from("tls_my_version", lambda found: found.version)
    tls_peer_serial = _from("tls_peer_serial", lambda found: _number(found.serial))
    tls_my_serial = _from("tls_my_serial", lambda found: _number(found.serial))
    tls_peer_notBefore = _from("tls_peer_notBefore", lambda found: found.not_before)
    tls_peer_notAfter = _from("tls_peer_notAfter", lambda found: found.not_after)

    tls_peer_subject = _name("tls_peer_subject")
    tls_peer_issuer = _name("tls_peer_issuer")
    tls_my_subject = _name("tls_my_subject")
    tls_my_issuer = _name("tls_my_issuer")
    tls_peer_subject_cn = _name("tls_peer_subject_cn")
    tls_peer_issuer_cn = _name("tls_peer_issuer_cn")
    tls_my_subject_cn = _name("tls_my_subject_cn")
    tls_my_issuer_cn = _name("tls_my_issuer_cn")
    tls_peer_subject_locality = _name("tls_peer_subject_locality")
    tls_peer_issuer_locality = _name("tls_peer_issuer_locality")
    tls_my_subject_locality = _name("tls_my_subject_locality")
    tls_my_issuer_locality = _name("tls_my_issuer_locality")
    tls_peer_subject_country = _name("tls_peer_subject_country")
    tls_peer_issuer_country = _name("tls_peer_issuer_country")
    tls_my_subject_country = _name("tls_my_subject_country")
    tls_my_issuer_country = _name("tls_my_issuer_country")
    tls_peer_subject_state = _name("tls_peer_subject_state")
    tls_peer_issuer_state = _name("tls_peer_issuer_state")
    tls_my_subject_state = _name("tls_my_subject_state")
    tls_my_issuer_state = _name("tls_my_issuer_state")
    tls_peer_subject_organization = _name("tls_peer_subject_organization")
    tls_peer_issuer_organization = _name("tls_peer_issuer_organization")
    tls_my_subject_organization = _name("tls_my_subject_organization")
    tls_my_issuer_organization = _name("tls_my_issuer_organization")
    tls_peer_subject_unit = _name("tls_peer_subject_unit")
    tls_peer_issuer_unit = _name("tls_peer_issuer_unit")
    tls_my_subject_unit = _name("tls_my_subject_unit")
    tls_my_issuer_unit = _name("tls_my_issuer_unit")
    tls_peer_subject_serial = _name("tls_peer_subject_serial")
    tls_my_subject_serial = _name("tls_my_subject_serial")

    tls_peer_san_email = _alternative("tls_peer_san_email")
    tls_my_san_email = _alternative("tls_my_san_email")
    tls_peer_san_hostname = _alternative("tls_peer_san_hostname")
    tls_my_san_hostname = _alternative("tls_my_san_hostname")
    tls_peer_san_uri = _alternative("tls_peer_san_uri")
    tls_my_san_uri = _alternative("tls_my_san_uri")
    tls_peer_san_ip = _alternative("tls_peer_san_ip")
    tls_my_san_ip = _alternative("tls_my_san_ip")

    tls_peer_verified = _claim("tls_peer_verified", lambda ctx, session: session.is_verified)
    tls_peer_revoked = _claim("tls_peer_revoked", _is_revoked)
    tls_peer_expired = _claim("tls_peer_expired", _is_expired)
    tls_peer_selfsigned = _claim("tls_peer_selfsigned", _is_self_signed)
