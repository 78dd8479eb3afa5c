"""uac: other names in From and To on the far side of a call, and answers to challenges of the next hop.

    uac_replace_from("Company", "sip:info@example.com");            # replies and later requests are put right by themselves
    failure_route[f] { if (t_check_status("401|407") && uac_auth()) t_relay(); }

Manual: OpenSIPS 3.6, module uac.
"""

from modules.uac.module import Uac

exports = Uac
