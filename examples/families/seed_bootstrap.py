"""Hold paired intervals of one seed against a bootstrap over seeds: ``CASE REPORT REPORT ...``.

Each report has the same models, trained once more with another seed. Printed for each model: its
error over that of the best (means over seeds), with a bootstrap over seeds that is exact, since
all ways to draw so few anew are counted; and beside it the ratio of each seed with the paired
interval of `mlff compare`. That interval is of two trained models on other frames of the same kind;
it knows nothing of seeds. Of three seeds a bootstrap is too narrow, too, by about a third.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.compare import rank, read_runs


def drawn_anew(values: Sequence[float]) -> np.ndarray:
    """Means of all n^n ways to draw n seeds with replacement."""
    return np.array([np.mean(one) for one in itertools.product(values, repeat=len(values))])


def over_seeds(values: Sequence[float], best: Sequence[float]) -> tuple[float, float]:
    """2.5 and 97.5 % points of the ratio of two means, seeds of both drawn anew."""
    ratios = np.divide.outer(drawn_anew(values), drawn_anew(best))
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", help="id of the case, such as study/acac/test_MD_600K/force_mae")
    parser.add_argument("reports", nargs="+", type=Path, help="of one seed each")
    given = parser.parse_args()
    try:
        runs = [read_runs([path]) for path in given.reports]
    except MlffError as error:
        raise SystemExit(str(error)) from None
    same = all(run.keys() == runs[0].keys() for run in runs)
    if not same or any(given.case not in cases for run in runs for cases in run.values()):
        raise SystemExit(f"not every report has {given.case} of the same models")
    values = {name: [one[name][given.case].value for one in runs] for name in runs[0]}
    ordered = sorted(values, key=lambda name: float(np.mean(values[name])))
    best = ordered[0]
    print("| model | mean (each seed) | ratio to the best | over seeds | of each seed, paired |")
    print("|---|---|---|---|---|")
    for name in ordered:
        ratio = np.mean(values[name]) / np.mean(values[best])
        each = " · ".join(f"{one:.1f}" for one in values[name])
        row = [name, f"{np.mean(values[name]):.1f} ({each})", f"{ratio:.2f}", "", ""]
        if name != best:
            low, high = over_seeds(values[name], values[best])
            row[3] = f"{low:.2f}–{high:.2f}"
            row[4] = " · ".join(paired(one, name, best, given.case) for one in runs)
        print("| " + " | ".join(row) + " |")


def paired(run: dict, name: str, best: str, case: str) -> str:
    """Ratio of two models of one seed with its paired interval."""
    two = {one: {case: run[one][case]} for one in (name, best)}
    found = {one.model: one for one in rank(two).models}
    worse, least = found[name], found[best]
    if worse.score >= least.score:
        ratio, low, high = worse.score, worse.low, worse.high
    else:
        ratio, low, high = (
            1 / least.score,
            None if least.high is None else 1 / least.high,
            None if least.low is None else 1 / least.low,
        )
    return f"{ratio:.2f}" + ("" if low is None else f" ({low:.2f}–{high:.2f})")


if __name__ == "__main__":
    main()
