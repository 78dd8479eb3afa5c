"""dispatcher: destinations in sets, one of which is chosen per request by hash, turn, chance, load or a route of the script.

    if (!ds_select_dst(1, 4, "f")) { send_reply(503, "Service Unavailable"); exit; }
    t_on_failure("next"); t_relay();
    failure_route[next] { if (ds_next_dst()) { t_on_failure("next"); t_relay(); } }

Manual: OpenSIPS 3.6, module dispatcher. Every partition is one table, held in memory; ds_reload reads it again.
"""

from modules.dispatcher.module import Dispatcher

exports = Dispatcher
