"""What registrar and mid_registrar have in common: reading a REGISTER, storing it, looking contacts up, waking them."""
