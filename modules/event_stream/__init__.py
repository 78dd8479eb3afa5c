"""event_stream: events as JSON-RPC documents over a TCP connection that stays open.

    modparam("event_stream", "reliable_mode", 1)
    subscribe_event("E_UL_CONTACT_INSERT", "tcp:127.0.0.1:8081/on_contact");

Manual: OpenSIPS 3.6, module event_stream. Nothing waits for a subscriber; module.py says what is sent, connection.py how.
"""

from modules.event_stream.module import EventStream

exports = EventStream
