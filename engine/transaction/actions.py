"""What a transaction machine asks its owner to do.

A machine is told of an event and of the time, changes its state and returns the work as a sum of bits: a call has a dozen
events, and an integer costs nothing to make. What the bits refer to (the request, the last reply) the owner knows; when a
machine wants to be woken up is its `due`, in seconds of the owner's clock, NEVER when it waits for messages only.
"""

from typing import Final

NOTHING: Final = 0
SEND: Final = 1
"""Send the request (client) or the last reply (server), for the first time or again."""
DELIVER: Final = 2
"""The reply is new: pass it to the transaction user."""
ACK: Final = 4
"""Acknowledge this negative reply to an INVITE (RFC 3261 17.1.1.3), also when it came before."""
TIMEOUT: Final = 8
"""No final reply in time: the transaction user gets a 408 of our own."""
CANCEL: Final = 16
"""With TIMEOUT: the other side had given a provisional reply, so it must be told to stop."""
FINISH: Final = 32
"""Nothing more to absorb: forget the transaction."""

NEVER: Final = float("inf")
"""A deadline that is not set."""
