"""The server side of a transaction: one request as it came in (RFC 3261 17.2), and how long its traces are kept.

    TRYING      nothing was answered yet: repetitions are dropped
    PROCEEDING  a provisional reply was sent: repetitions get it again
    COMPLETED   a negative reply to an INVITE (or a 2xx of our own) waits for its ACK and is repeated (timers G, H)
    WAITING     all is said; repetitions still get the last reply (timers I, J), a late 2xx still passes (RFC 6026), until
                wt_timer
    FINISHED    forgotten
"""

from typing import Final

from engine.transaction.actions import FINISH, NEVER, NOTHING, SEND

TRYING: Final = 0
PROCEEDING: Final = 1
COMPLETED: Final = 2
WAITING: Final = 3
FINISHED: Final = 4


class Server:
    """The machine. reliable: the request came over a stream. Times are seconds; `due` is when on_timer() is wanted."""

    __slots__ = (
        "state", "is_invite", "reliable", "status", "interval", "t2", "fr_timeout", "wait", "repeat_at", "end_at", "due",
    )

    def __init__(self, is_invite: bool, reliable: bool, t1: float, t2: float, fr_timeout: float, wait: float) -> None:
        self.state = TRYING
        self.is_invite = is_invite
        self.reliable = reliable
        self.status = 0
        """Code of the last reply sent, 0 none."""
        self.interval = t1
        self.t2 = t2
        self.fr_timeout = fr_timeout
        self.wait = wait
        self.repeat_at = NEVER
        self.end_at = NEVER
        self.due = NEVER

    def on_request(self) -> int:
        """The request came again: SEND when there is a reply to repeat."""
        return SEND if self.status else NOTHING

    def on_reply(self, code: int, local: bool, now: float) -> int:
        """A reply goes upstream, made here (local) or relayed: SEND, or NOTHING when the machine refuses it.

        After a final reply only a relayed 2xx to an INVITE may follow. A challenge (401, 407) is not repeated and waits for no
        ACK (RFC 3261 26.3.2.4); a 2xx of our own is repeated over any transport, since a proxy behind it will not do it.
        """
        if self.status >= 200:
            return SEND if self.is_invite and 200 <= code < 300 and not local else NOTHING
        self.status = code
        if code < 200:
            self.state = PROCEEDING
            return SEND
        if self.is_invite and code != 401 and code != 407 and (code >= 300 or local):
            self.state = COMPLETED
            self.end_at = now + self.fr_timeout
            if not self.reliable or code < 300:
                self.repeat_at = now + self.interval
            self._set_due()
        else:
            self.release(now)
        return SEND

    def on_ack(self, now: float) -> None:
        """The ACK came, or whatever else ends the repetitions."""
        self.release(now)

    def release(self, now: float) -> None:
        """Nothing more will be sent: wait for late comers, then forget. Only the first call counts."""
        if self.state < WAITING:
            self.state = WAITING
            self.repeat_at = NEVER
            self.end_at = self.due = now + self.wait

    def hold(self) -> None:
        """A final reply went, but more are expected: stay until release()."""
        self.state = PROCEEDING
        self.repeat_at = self.end_at = self.due = NEVER

    def on_timer(self, now: float) -> int:
        """Time has passed: SEND the reply again, or FINISH."""
        if now >= self.end_at:
            if self.state == COMPLETED:
                self.release(now)
                return NOTHING
            self.state = FINISHED
            self.repeat_at = self.end_at = self.due = NEVER
            return FINISH
        if now >= self.repeat_at:
            self.interval = min(self.interval * 2, self.t2)
            self.repeat_at = now + self.interval
            self._set_due()
            return SEND
        self._set_due()
        return NOTHING

    def _set_due(self) -> None:
        self.due = self.repeat_at if self.repeat_at < self.end_at else self.end_at
