"""One run, without pytest: its plan, models, evaluation, baselines and report."""
