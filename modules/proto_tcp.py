"""proto_tcp: SIP over TCP. Without it no `socket=tcp:...` can be opened."""

from engine.module import modparam
from modules.shared.tracing import Tracing


class ProtoTcp(Tracing):
    """The TCP transport."""

    tcp_port = modparam(int, 5060, min=1, max=65535, help="port of sockets that name none")
    tcp_send_timeout = modparam(
        int, 100, min=0, help="milliseconds a write may block", effect="writes never block, see tcp_async_max_postponed_chunks")
    tcp_max_msg_chunks = modparam(int, 4, min=0, help="reads a message may take before the connection is closed, 0: any number")
    tcp_crlf_pingpong = modparam(int, 1, min=0, max=1, help="answer CRLF CRLF with CRLF")
    tcp_crlf_drop = modparam(int, 0, min=0, max=1, help="ignore CRLF CRLF")
    tcp_async = modparam(int, 1, min=0, max=1, help="0: a connection must come about within tcp_connect_timeout")
    tcp_async_max_postponed_chunks = modparam(int, 32, min=1, help="messages that may wait for a connection or a slow peer")
    tcp_async_local_connect_timeout = modparam(
        int, 100, min=0, help="milliseconds", effect="connecting never blocks; a refusal is seen at once")
    tcp_async_local_write_timeout = modparam(int, 10, min=0, help="milliseconds", effect="writes never block")
    tcp_parallel_handling = modparam(int, 0, min=0, max=1, effect="messages of a connection are handled in order")

    def open_protocol(self) -> None:
        """Make TCP usable; called when all parameters are set and no socket exists yet."""
        self.server.enable_protocol(
            "tcp", default_port=self.tcp_port, trace=self.traced, max_chunks=self.tcp_max_msg_chunks,
            crlf_pingpong=bool(self.tcp_crlf_pingpong), crlf_drop=bool(self.tcp_crlf_drop), is_async=bool(self.tcp_async),
            max_queue=self.tcp_async_max_postponed_chunks)


exports = ProtoTcp
