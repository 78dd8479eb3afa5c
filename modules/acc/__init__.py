"""acc: who called whom, when and for how long, into the log, a database and events.

    modparam("acc", "db_url", "sqlite:///var/lib/calls.sqlite")
    modparam("acc", "extra_fields", "db: caller->caller_name; gateway")
    if (is_method("INVITE") && !has_totag()) { do_accounting("db|log", "cdr|missed"); $acc_extra(caller) = $fU; }

Manual: OpenSIPS 3.6, module acc; routing reference, section 23. account.py holds what is gathered for a request or a call,
reports.py writes it, calls.py follows dialogs for their CDRs, functions.py is what scripts see. No message waits for a report:
rows go through a queue of their own.
"""

from modules.acc.functions import Acc

exports = Acc
