"""dialog: calls as a whole, from the INVITE to the BYE.

One class, built in layers, each in a file of its own: base (parameters, states), calls (the INVITE and its answer), within
(requests inside), sending (requests made here, lifetime, pings), profiles, storage (the database), routing (validate_dialog),
show (printing), variables, functions, mi. table and cell hold the dialogs; api.py is what other modules may use.

Manual: OpenSIPS 3.6, module dialog.
"""

from modules.dialog.mi import DialogMi
from modules.tm.api import CANCELLED, CREATED, DESTROYED, RESPONSE_FWD


class DialogModule(DialogMi):
    """The dialog module (modules.dialog.api.Dialogs)."""

    def mod_init(self) -> None:
        super().mod_init()
        self.tm.register(CREATED, self._on_transaction)
        self.tm.register(RESPONSE_FWD, self._on_reply)
        self.tm.register(CANCELLED, self._on_cancel)
        self.tm.register(DESTROYED, self._on_gone)
        if self.rr is not None:
            self.rr.register(self._on_route)
        self.server.post_request.append(self._after_request)


exports = DialogModule
