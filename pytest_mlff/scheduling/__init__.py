"""Where work runs: xdist scheduling, GPU slots, engines."""
