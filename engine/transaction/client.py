"""The client side of a transaction: one request towards one destination (RFC 3261 17.1).

    CALLING     the request was sent and is repeated (timers A/E), until timer B/F (fr_timeout)
    PROCEEDING  a provisional reply came: an INVITE is no longer repeated and may take fr_inv_timeout; others are repeated
                every T2
    COMPLETED   a negative reply came; repetitions of it are acknowledged (INVITE) or dropped
    ACCEPTED    a 2xx came; an INVITE delivers every further 2xx, they come from other user agents (RFC 6026)

Waiting for repetitions after the final reply (timers D, K) is not done here: the server side keeps the whole transaction
for a while (wt_timer), and its client machines with it.
"""

from typing import Final

from engine.transaction.actions import ACK, CANCEL, DELIVER, NEVER, NOTHING, SEND, TIMEOUT

CALLING: Final = 0
PROCEEDING: Final = 1
COMPLETED: Final = 2
ACCEPTED: Final = 3


class Client:
    """The machine. Times are seconds; `due` is when on_timer() is wanted.

    reliable: over a stream, nothing is repeated. restart: every provisional reply restarts fr_inv_timeout, not only one with
    a higher code (OpenSIPS' restart_fr_on_each_reply).
    """

    __slots__ = (
        "state", "is_invite", "reliable", "interval", "t2", "fr_timeout", "fr_inv_timeout", "restart", "repeat_at", "final_at",
        "due", "last_code", "repeats",
    )

    def __init__(
        self, is_invite: bool, reliable: bool, t1: float, t2: float, fr_timeout: float, fr_inv_timeout: float,
        restart: bool = True,
    ) -> None:
        self.state = CALLING
        self.is_invite = is_invite
        self.reliable = reliable
        self.interval = t1
        """Seconds to the next repetition."""
        self.t2 = t2
        self.fr_timeout = fr_timeout
        self.fr_inv_timeout = fr_inv_timeout
        self.restart = restart
        self.repeat_at = NEVER
        self.final_at = NEVER
        self.due = NEVER
        self.last_code = 0
        """Highest provisional code that counted for restart."""
        self.repeats = 0
        """How often the request was sent again."""

    def start(self, now: float) -> int:
        """The request leaves: SEND."""
        self.final_at = self.due = now + self.fr_timeout
        if not self.reliable:
            self.repeat_at = now + self.interval
            if self.repeat_at < self.final_at:
                self.due = self.repeat_at
        return SEND

    def on_response(self, code: int, now: float) -> int:
        """A reply came: DELIVER when it is news, ACK when it must be acknowledged hop by hop."""
        state = self.state
        if code < 200:
            if state > PROCEEDING:
                return NOTHING
            self.state = PROCEEDING
            if self.is_invite:
                self.repeat_at = NEVER
            elif not self.reliable and self.final_at != NEVER:
                self.interval = self.t2
                self.repeat_at = now + self.t2
            self._set_due()
            return DELIVER
        self.repeat_at = self.final_at = self.due = NEVER
        if code < 300:
            if state == ACCEPTED or state == COMPLETED:
                return DELIVER if self.is_invite else NOTHING
            self.state = ACCEPTED
            return DELIVER
        if state < COMPLETED:
            self.state = COMPLETED
            return DELIVER | ACK if self.is_invite else DELIVER
        return ACK if self.is_invite else NOTHING

    def proceed(self, code: int, now: float) -> None:
        """A provisional reply to an INVITE was taken by the transaction user: wait fr_inv_timeout from now on."""
        last = self.last_code
        if code > last:
            self.last_code = code
        if self.state != PROCEEDING or not self.is_invite:
            return
        if self.restart or (last < code and (code >= 180 or last == 0)):
            self.final_at = now + self.fr_inv_timeout
            self._set_due()

    def stop(self) -> None:
        """The decision fell elsewhere: neither repeat nor time out; replies that still come are handled."""
        self.repeat_at = self.final_at = self.due = NEVER

    def on_timer(self, now: float) -> int:
        """Time has passed: SEND, or TIMEOUT (with CANCEL when a provisional reply had come)."""
        if now >= self.final_at:
            had_provisional = self.state == PROCEEDING
            self.state = COMPLETED
            self.stop()
            return TIMEOUT | CANCEL if had_provisional and self.is_invite else TIMEOUT
        if now >= self.repeat_at:
            self.repeats += 1
            self.interval = min(self.interval * 2, self.t2)
            self.repeat_at = now + self.interval
            self._set_due()
            return SEND
        self._set_due()
        return NOTHING

    def _set_due(self) -> None:
        self.due = self.repeat_at if self.repeat_at < self.final_at else self.final_at
