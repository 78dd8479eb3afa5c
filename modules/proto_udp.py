"""proto_udp: SIP over UDP. Without it no `socket=udp:...` can be opened."""

from engine.module import Module, modparam


class ProtoUdp(Module):
    """The UDP transport."""

    udp_port = modparam(int, 5060, min=1, max=65535, help="port of sockets that name none")

    def open_protocol(self) -> None:
        """Make UDP usable; called when all parameters are set and no socket exists yet."""
        self.server.enable_protocol("udp", default_port=self.udp_port)


exports = ProtoUdp
