"""event_routing: parts of a script that run, or go on, when an event is raised.

    notify_on_event("E_UL_CONTACT_INSERT", $avp(filter), "fork_call", 20);
    async(wait_for_event("E_UL_CONTACT_INSERT", $avp(filter), 20), resume_call);

Manual: OpenSIPS 3.6, module event_routing; wait_for_event() outside of async() is of 4.0.
"""

from modules.event_routing.module import EventRoutingModule

exports = EventRoutingModule
