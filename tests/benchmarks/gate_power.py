"""What the gate sees of a worsened demo, on independent replicas and on single trajectories.

The weights of the demo are multiplied by 1 + ε·N(0, 1) until its force MAE, averaged over the
molecules, is worse by 2, 5, 10, 20 and 40 %. Each such model is compared with the demo on the
frames of ``gate`` and on those of ``quick``, by the rule that a run uses: half of the 5 % for the
pooled tests, half for the cases per system and species. Then frames are drawn anew into replicas
200 times, of a model that is worse by exactly the tolerated 1 %: none of these should be red.

    python tests/benchmarks/gate_power.py OUT.json [--seeds 3]
    python tests/benchmarks/gate_power.py --show OUT.json
    python tests/benchmarks/gate_power.py --monotone [--seeds 2]
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.datasets.splits import cut
from pytest_mlff.gate.standing import BOUND
from pytest_mlff.metrics.errors import measure
from pytest_mlff.potentials.batching import evaluate
from pytest_mlff.run.plan import plan_spec
from pytest_mlff.specs import builtin_folder
from pytest_mlff.statistics.evidence import FrameSeries, Pooled
from pytest_mlff.statistics.multiple_tests import judge_regressions
from pytest_mlff.statistics.paired import MARGIN, compare_paired

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.protocol import Prediction
    from pytest_mlff.statistics.multiple_tests import Regression

TARGETS = (0.02, 0.05, 0.10, 0.20, 0.40)
POOLED = ("energy_mae", "force_mae", "force_rmse")
DRAWS = 1000
ONE_SUITE = 2
"""Pooled and single cases share the level."""


class Suite:
    """Frames and cases of one spec, and what a model says of them."""

    def __init__(self, name: str) -> None:
        planned = plan_spec(builtin_folder() / f"{name}.yaml", None, None)
        self.name = name
        self.frames: dict[str, Frames] = {
            one.id: cut(one, planned.source, planned.others).test_frames for one in planned.variants
        }
        self.cases = [
            case for case in planned.cases if case.metric in POOLED and not case.is_pooled
        ]
        self.tests = ONE_SUITE * len(self.cases)

    def series(self, predictions: dict[str, Prediction]) -> dict[tuple[str, str, str], FrameSeries]:
        """Evidence of every single case, by variant, metric and species."""
        found = {}
        for case in self.cases:
            one = measure(
                case.metric,
                self.frames[case.variant.id],
                predictions[case.variant.id],
                case.species,
            )
            assert isinstance(one.series, FrameSeries)
            found[case.variant.id, case.metric, case.species or "all"] = one.series
        return found


def pooled(series: dict[tuple[str, str, str], FrameSeries], metric: str) -> Pooled:
    return Pooled(tuple(one for key, one in series.items() if key[1:] == (metric, "all")))


def _said(found: Regression) -> dict[str, Any]:
    keys = ("word", "change", "minimum_detectable")
    return {key: getattr(found, key) for key in keys}


def judged(
    suite: Suite,
    current: dict[tuple[str, str, str], FrameSeries],
    baseline: dict[tuple[str, str, str], FrameSeries],
) -> dict[str, list[dict[str, Any]]]:
    """Word, change and smallest worsening that is seen, of the pooled and of the single cases."""
    whole = {
        metric: compare_paired(pooled(current, metric), pooled(baseline, metric))
        for metric in POOLED
    }
    single = {"/".join(key): compare_paired(one, baseline[key]) for key, one in current.items()}
    found = {}
    for kind, comparisons, tests in (
        ("pooled", whole, ONE_SUITE * len(POOLED)),
        ("single", single, suite.tests),
    ):
        found[kind] = [
            {"case": name} | _said(judge_regressions({name: one}, tests=tests)[name])
            for name, one in comparisons.items()
        ]
    return found


def module_of(potential: Any) -> Any:
    import torch

    return next(one for one in vars(potential).values() if isinstance(one, torch.nn.Module))


class Worsened:
    """The demo with its weights multiplied by 1 + ε·noise."""

    def __init__(self, seed: int) -> None:
        import torch

        from pytest_mlff.potentials.loading import load_potential

        self.potential = load_potential("demo", device="cpu")
        weights = [
            one
            for one in module_of(self.potential).parameters()
            if one.is_floating_point() and one.numel() > 1
        ]
        noise = torch.Generator().manual_seed(seed)
        self.weights = [
            (one, one.detach().clone(), torch.randn(one.shape, generator=noise, dtype=one.dtype))
            for one in weights
        ]

    def at(self, size: float, frames: dict[str, Frames]) -> dict[str, Prediction]:
        import torch

        with torch.no_grad():
            for one, first, noise in self.weights:
                one.copy_(first * (1.0 + size * noise))
        return {
            name: evaluate(self.potential, one.without_labels()) for name, one in frames.items()
        }


def mean_change(suite: Suite, now: dict[str, Prediction], then: dict[str, Prediction]) -> float:
    first, second = (
        [measure("force_mae", suite.frames[name], one[name]).value for name in suite.frames]
        for one in (now, then)
    )
    return float(np.mean(np.array(first) / np.array(second)) - 1.0)


def size_for(target: float, model: Worsened, suite: Suite) -> float:
    """Noise that worsens the mean force MAE by ``target``, on every tenth frame."""
    few = Suite.__new__(Suite)
    few.frames = {name: one.select(slice(None, None, 10)) for name, one in suite.frames.items()}
    base = model.at(0.0, few.frames)
    low, high = 0.0, 0.005
    while mean_change(few, model.at(high, few.frames), base) < target:
        low, high = high, 2.0 * high
    for _ in range(6):
        middle = 0.5 * (low + high)
        if mean_change(few, model.at(middle, few.frames), base) < target:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def redrawn(
    one: dict[tuple[str, str, str], FrameSeries],
    other: dict[tuple[str, str, str], FrameSeries],
    rng: np.random.Generator,
    worse_by: float,
) -> tuple[dict[tuple[str, str, str], FrameSeries], dict[tuple[str, str, str], FrameSeries]]:
    """Replicas of frames drawn anew, of a model that is worse by exactly so much."""
    draws: dict[str, Any] = {}
    first, second = {}, {}
    for key, a in one.items():
        b = other[key]
        drawn = draws.setdefault(key[0], rng.integers(len(a), size=len(a)))
        scale = (1.0 + worse_by) ** a.power * b.totals.sum() / a.totals.sum()
        first[key] = replace(a, totals=scale * a.totals[drawn])
        second[key] = replace(b, totals=b.totals[drawn])
    return first, second


def measured(seeds: int) -> dict[str, Any]:
    suites = [Suite("gate"), Suite("quick")]
    rows: list[dict[str, Any]] = []
    kept = []
    for seed in range(1, seeds + 1):
        model = Worsened(seed)
        base = [suite.series(model.at(0.0, suite.frames)) for suite in suites]
        for target in TARGETS:
            size = size_for(target, model, suites[0])
            for suite, before in zip(suites, base, strict=True):
                now = suite.series(model.at(size, suite.frames))
                if target == 0.1 and suite.name == "gate":
                    kept.append(now)
                rows.append(
                    {"suite": suite.name, "seed": seed, "target": target, "noise": size}
                    | judged(suite, now, before)
                )
                print(rows[-1]["suite"], seed, target, rows[-1]["pooled"], flush=True)
    red: dict[str, list[dict[str, bool]]] = {}
    for worse_by in (0.0, MARGIN):
        rng = np.random.default_rng(0)
        drawn = red.setdefault(f"{worse_by:.0%}", [])
        for draw in range(DRAWS):
            found = judged(suites[0], *redrawn(kept[draw % len(kept)], base[0], rng, worse_by))
            drawn.append(
                {k: any(c["word"] == "worse" for c in found[k]) for k in ("pooled", "single")}
            )
    identical = judged(suites[0], base[0], base[0])
    return {
        "replicas": len(next(iter(base[0].values())).segments),
        "rows": rows,
        "redrawn": red,
        "identical": [case["word"] for kind in identical.values() for case in kind],
    }


def turned_back(seeds: int, suite: Suite) -> str:
    """Whether a single trajectory that was called worse is let through when it gets worse still.

    200 models between the demo and one that is more than twice as bad, by the mean force MAE: their
    predictions lie on the line between those of the two.
    """
    turned = {"worse, then not": 0, "red, then not": 0}
    first: list[float] = []
    cases = 0
    for seed in range(1, seeds + 1):
        model = Worsened(seed)
        demo, far = model.at(0.0, suite.frames), model.at(0.03, suite.frames)
        places = np.linspace(0.0, 1.0, 41)
        seen = [mean_change(suite, _between(demo, far, at), demo) for at in places]
        if seen[-1] < 1.0:
            raise SystemExit(f"seed {seed}: the far model is only {seen[-1]:+.0%} worse")
        before = suite.series(demo)
        told: dict[Any, list[tuple[float, str]]] = {key: [] for key in before}
        for at in np.interp(np.linspace(0.01, 1.0, 200), seen, places):
            for key, now in suite.series(_between(demo, far, float(at))).items():
                one = judge_regressions({"": compare_paired(now, before[key])}, tests=suite.tests)
                told[key].append((one[""].change or 0.0, one[""].word))
        for path in map(sorted, told.values()):
            worse = [word == "worse" for _, word in path]
            red = [one or change > BOUND for one, (change, _) in zip(worse, path, strict=True)]
            cases += 1
            first += [path[worse.index(True)][0]] if any(worse) else []
            for name, words in zip(turned, (worse, red), strict=True):
                turned[name] += any(a and not b for a, b in itertools.pairwise(words))
    return (
        f"{cases} cases of {suite.name}, 200 worsenings each: {len(first)} called worse at some "
        f"size (median of the first {np.median(first):+.0%}); {turned}"
    )


def _between(
    demo: dict[str, Prediction], far: dict[str, Prediction], at: float
) -> dict[str, Prediction]:
    return {
        name: replace(
            one,
            energy=one.energy + at * (far[name].energy - one.energy),
            forces=one.forces + at * (far[name].forces - one.forces),
        )
        for name, one in demo.items()
    }


def shown(found: dict[str, Any]) -> str:
    lines = [
        f"{found['replicas']} replicas; seeds {sorted({row['seed'] for row in found['rows']})}",
        "",
        "| force MAE | suite | pooled: energy MAE, force MAE, force RMSE | largest MDE of a pooled "
        "force test, % | single cases worse · better · same · undecided, % | their median MDE, % |",
        "|---|---|---|---|---|---|",
    ]
    for target in TARGETS:
        for suite in ("gate", "quick"):
            rows = [r for r in found["rows"] if (r["suite"], r["target"]) == (suite, target)]
            words = [
                " ".join(
                    f"{word} {count}"
                    for word, count in counted(
                        case["word"]
                        for row in rows
                        for case in row["pooled"]
                        if case["case"] == metric
                    ).items()
                )
                for metric in POOLED
            ]
            single = [case for row in rows for case in row["single"]]
            share = counted(case["word"] for case in single)
            told = " · ".join(
                f"{100 * share.get(word, 0) / len(single):.0f}"
                for word in ("worse", "better", "same", "undecided")
            )
            seen = max(
                case["minimum_detectable"] or np.inf
                for row in rows
                for case in row["pooled"]
                if case["case"] != "energy_mae"
            )
            middle = np.median([case["minimum_detectable"] or np.inf for case in single])
            lines.append(
                f"| +{target:.0%} | {suite} | {', '.join(words)} | {100 * seen:.1f} | {told} | "
                f"{100 * middle:.0f} |"
            )
    lines.append("")
    for worse_by, red in found["redrawn"].items():
        told = [f"{kind} {sum(one[kind] for one in red)}" for kind in ("pooled", "single")]
        either = sum(any(one.values()) for one in red)
        lines.append(
            f"Red of {len(red)} redrawn sets, {worse_by} worse: {', '.join(told)}, any {either}."
        )
    lines.append(f"The demo against itself: {counted(found['identical'])}.")
    return "\n".join(lines)


def counted(words: Any) -> dict[str, int]:
    listed = list(words)
    return {word: listed.count(word) for word in dict.fromkeys(listed)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--monotone", action="store_true")
    given = parser.parse_args()
    if given.monotone:
        print(turned_back(given.seeds, Suite("quick")))
        return
    if not given.show:
        given.out.write_text(json.dumps(measured(given.seeds)), encoding="utf-8")
    print(shown(json.loads(given.out.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
