"""What both registrars offer for push notification: pn_process_purr(), pn_failed(), and how many devices were woken."""

from __future__ import annotations

from collections.abc import Awaitable

from engine.module import ALL_ROUTES, REQUEST, Context, Static, async_function, function, stat
from modules.shared.reg.base import RegBase


class PushFunctions(RegBase):
    """The functions and statistics, mixed into the modules."""

    pn_sent = stat("pn_sent", group="push")
    pn_woken = stat("pn_woken", group="push")
    pn_timeout = stat("pn_timeout", group="push")
    pn_failed_count = stat("pn_failed", group="push")
    pn_waiting = stat("pn_waiting", value="stat_waiting", group="push")

    def stat_waiting(self) -> int:
        """Sleeping contacts that requests wait for now."""
        return len(self.wake.waiting) if self.wake is not None else 0

    @async_function(REQUEST, domain="table")
    def pn_process_purr(self, ctx: Context, domain: Static[str]) -> int | Awaitable[int]:
        """async(pn_process_purr("location"), resume): hold a request inside a dialog until its device is awake.

        The device is known by `pn-purr` in the Request-URI or a Route. Code in the resume route: 2 nothing to wait for (at
        once), 1 the device has registered, then $avp(uri), $avp(received) ... show its contact, or it did not in
        pn_refresh_timeout seconds, then they are NULL. -1 error: the script goes on after the statement.
        """
        if self.wake is None:
            self.log.error("pn_process_purr() needs modparam pn_enable")
            return -1
        return self.wake.process_purr(ctx, domain)  # type: ignore[arg-type]

    @function(ALL_ROUTES)
    def pn_failed(self, ctx: Context, prid: str) -> bool:
        """The push service refused this pn-prid: requests no longer wait for its device (not in OpenSIPS).

        A call nobody else can take is answered 480. 1, or -1 when nothing waited.
        """
        return self.wake is not None and self.wake.failed(prid) > 0
