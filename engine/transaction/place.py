"""Where replies to a request go, and what its top Via is told of that (RFC 3261 18.2, RFC 3581)."""

from engine.sip.headers import Via


def source_marks(via: Via, src_ip: str, src_port: int, force_rport: bool) -> tuple[str | None, int | None]:
    """received= and rport= for the top Via of a request: (address or None, port or None).

    The address is written when it differs from what Via says (maddr goes before host), and along with every port; the port
    when Via has an rport parameter, whatever its value, or force_rport() was called.
    """
    params = via.params.lower()
    if force_rport or ("rport" in params and via.rport is not None):
        return src_ip, src_port
    host = via.host
    if "maddr" in params:
        host = via.maddr or host
    if host[:1] == "[":
        host = host[1:-1]
    return (None, None) if host == src_ip else (src_ip, None)


def reply_port(via: Via, src_port: int, rport: int | None) -> int:
    """Port a reply goes to over UDP: the source's when rport is in use, else that of Via (5060 without one)."""
    if rport is not None:
        return src_port
    return via.port or 5060
