"""SQL from scripts: what the modules sqlops (3.5 and later) and avpops (until 3.4) have in common."""
