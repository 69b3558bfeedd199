"""pytest's side: hooks, options, fixtures, collection and results."""
