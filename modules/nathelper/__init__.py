"""nathelper: requests from behind NAT: is it one, its Contact and SDP rewritten, its binding kept open by pings.

Manual: OpenSIPS 3.6, module nathelper. Pinging wants usrloc and natping_interval; without it the module only has functions.
"""

from modules.nathelper.module import Nathelper

exports = Nathelper
