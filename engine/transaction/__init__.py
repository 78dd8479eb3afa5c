"""RFC 3261 section 17 as pure machines: (event, now) -> actions. No sockets, no sleeping, no messages: see actions.py."""
