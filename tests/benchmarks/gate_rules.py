"""What the gate decides beside two simpler rules, on the worsened demo of ``gate_power.py``.

*Plain 5 %*: red where the value is more than 5 % above the baseline's. *Absolute*: red where it is
above a fixed limit, here 1.3 times what the demo reaches, as ``mlff init --data`` writes it. Both
go by the value alone. Then the demo against itself on other trajectories, drawn anew with
replacement from the replicas of ``gate``: nothing got worse, and a rule that is red is wrong.

    python tests/benchmarks/gate_power.py OUT.json && python tests/benchmarks/gate_rules.py OUT.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gate_power import POOLED, TARGETS, Suite

from pytest_mlff.gate.standing import BOUND
from pytest_mlff.potentials.batching import evaluate
from pytest_mlff.potentials.loading import load_potential

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_mlff.statistics.evidence import FrameSeries

PLAIN, LIMIT = 0.05, 0.3
SETS = 1000


def decisions(cases: Iterable[dict[str, Any]]) -> str:
    """Share of cases in %: red and left undecided by the gate, red by either other rule."""
    listed = list(cases)
    red = [
        one["word"] == "worse" or (one["word"] == "undecided" and one["change"] > BOUND)
        for one in listed
    ]
    unsure = [one["word"] == "undecided" and not bad for one, bad in zip(listed, red, strict=True)]
    plain, absolute = ([one["change"] > limit for one in listed] for limit in (PLAIN, LIMIT))
    return " | ".join(f"{100 * np.mean(some):.0f}" for some in (red, unsure, plain, absolute))


def on_other_trajectories(suite: Suite) -> dict[str, float]:
    """Share of 1,000 pairs of replica sets on which a rule calls the same model worse, in %."""
    potential = load_potential("demo", device="cpu")
    series = suite.series(
        {name: evaluate(potential, one.without_labels()) for name, one in suite.frames.items()}
    )
    rng = np.random.default_rng(0)
    seen = [_changes(series, rng) for _ in range(SETS)]
    told = {}
    for name, limit in (("plain", PLAIN), ("absolute", LIMIT)):
        pooled = [max(one["pooled"]) > limit for one in seen]
        single = [max(one["single"]) > limit for one in seen]
        told |= {f"{name}, pooled": 100 * np.mean(pooled), f"{name}, single": 100 * np.mean(single)}
    return told


def _changes(
    series: dict[tuple[str, str, str], FrameSeries], rng: np.random.Generator
) -> dict[str, list[float]]:
    draws: dict[str, Any] = {}
    single = {}
    for key, one in series.items():
        count = len(one.segments)
        first, second = draws.setdefault(key[0], rng.integers(count, size=(2, count)))
        single[key] = _value(one, first) / _value(one, second) - 1.0
    pooled = [
        float(np.mean([change for key, change in single.items() if key[1:] == (metric, "all")]))
        for metric in POOLED
    ]
    return {"pooled": pooled, "single": list(single.values())}


def _value(one: FrameSeries, replicas: Any) -> float:
    ends = np.cumsum(one.segments)[:-1]
    totals, weights = (
        np.array([part.sum() for part in np.split(all_frames, ends)])[replicas].sum()
        for all_frames in (one.totals, one.weights)
    )
    return float((totals / weights) ** (1.0 / one.power))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("measured", type=Path, help="what gate_power.py wrote")
    rows = json.loads(parser.parse_args().measured.read_text(encoding="utf-8"))["rows"]
    print(
        "| force MAE | suite | cases | gate: red | gate: undecided | plain 5 %: red | 1.3 ×: red |"
    )
    print("|---|---|---|---|---|---|---|")
    for target in TARGETS:
        for suite in ("gate", "quick"):
            for kind in ("pooled", "single"):
                cases = (
                    case
                    for row in rows
                    if (row["suite"], row["target"]) == (suite, target)
                    for case in row[kind]
                )
                print(f"| +{target:.0%} | {suite} | {kind} | {decisions(cases)} |")
    for rule, share in on_other_trajectories(Suite("gate")).items():
        print(f"the same model on other trajectories, {rule}: {share:.1f} % of {SETS} sets red")


if __name__ == "__main__":
    main()
