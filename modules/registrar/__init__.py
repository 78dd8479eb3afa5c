"""registrar: the location service of RFC 3261 section 10, with Path, GRUU and push notification (RFC 3327, 5627, 8599).

    if (is_method("REGISTER")) { save("location"); exit; }
    lookup("location");

Manual: OpenSIPS 3.6, module registrar. What it shares with mid_registrar lives in modules/shared/reg.
"""

from modules.registrar.module import Registrar

exports = Registrar
