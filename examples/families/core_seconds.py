"""A budget in processor time for NequIP and Allegro: ends a training, lowers its rate before."""

from __future__ import annotations

import math
import time

from lightning.pytorch import Callback


class CoreSeconds(Callback):
    """Half a cosine from the optimizer's rate to a hundredth of it within ``budget`` seconds.

    What earlier attempts have used is kept in the checkpoint.
    """

    def __init__(self, budget: float) -> None:
        self.budget, self.before, self.started, self.rates = budget, 0.0, 0.0, None

    @property
    def spent(self) -> float:
        return self.before + time.process_time() - self.started

    def state_dict(self):
        return {"spent": self.spent}

    def load_state_dict(self, state):
        self.before = state["spent"]

    def on_train_start(self, *_):
        self.started = time.process_time()

    def on_train_batch_start(self, trainer, *_):
        groups = trainer.optimizers[0].param_groups
        if self.rates is None:
            self.rates = [group.setdefault("first_lr", group["lr"]) for group in groups]
        share = min(1.0, self.spent / self.budget)
        for group, rate in zip(groups, self.rates, strict=True):
            group["lr"] = rate * max(0.01, 0.5 * (1 + math.cos(math.pi * share)))
        if share >= 1.0:
            trainer.should_stop = True
