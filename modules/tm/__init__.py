"""tm: transactions, forking, failure and reply routes, local requests.

One class, built in layers, each in a file of its own: base (parameters, statistics, timers), answers (replies made here,
CANCEL), forward (branches and their messages), replies (what comes back), requests (what comes in), waiting (placeholder,
injection, async), uac (requests of our own), functions, variables, mi. api.py is what other modules may use; the state
machines are in engine.transaction.
"""

from modules.tm.mi import MiCommands


class Tm(MiCommands):
    """The tm module."""

    def mod_init(self) -> None:
        super().mod_init()
        self._bind_appends()
        self.server.post_request.append(self._after_request)
        self.server.response_handlers.append(self._on_response)
        self.server.async_hook = self


exports = Tm
