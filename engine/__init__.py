"""opensips-like: a SIP routing engine that runs OpenSIPS scripts, from datagram to compiled route and back."""

__version__ = "0.1.0"
