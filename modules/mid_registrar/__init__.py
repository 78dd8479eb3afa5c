"""mid_registrar: a proxy between devices and their registrar that keeps a copy of the bindings and spares the registrar load.

    if (mid_registrar_save("location") == 1) { $du = "sip:registrar.example.com"; t_relay(); }

The registrar behind sees contacts of this server only; calls come back here and mid_registrar_lookup() finds the devices. In
mode 0 every REGISTER goes through, in mode 1 a contact is registered behind for longer than the device asks and its
refreshes end here, in mode 2 all devices of a user share one contact there. Together with push notification it is the SIP
push proxy of RFC 8599 for a registrar that knows nothing of it.

Manual: OpenSIPS 3.6, module mid_registrar. What it shares with registrar lives in modules/shared/reg.
"""

from modules.mid_registrar.module import MidRegistrar

exports = MidRegistrar
