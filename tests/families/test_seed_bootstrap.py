"""A bootstrap over seeds beside paired intervals of one seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mlff.gate.compare import read_runs

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "results" / "egraffbench" / "acac.json"
CASE = "study/acac/test_MD_600K/force_mae"


@pytest.fixture
def script(example: Any) -> Any:
    return example("seed_bootstrap")


def test_all_ways_to_draw_are_counted(script: Any) -> None:
    assert sorted(script.drawn_anew([1.0, 3.0])) == [1.0, 2.0, 2.0, 3.0]
    rng = np.random.default_rng(0)
    seeds = [2.0, 3.0, 7.0]
    drawn = np.mean(rng.choice(seeds, size=(200_000, 3)), axis=1)
    low, high = script.over_seeds(seeds, [1.0, 1.0, 1.0])
    assert [low, high] == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.01)


def test_seeds_of_the_best_count_as_well(script: Any) -> None:
    low, high = script.over_seeds([2.0, 2.0], [1.0, 2.0])
    assert low == pytest.approx(1.0, abs=0.1)
    assert high == pytest.approx(2.0, abs=0.1)


def test_the_paired_interval_is_that_of_the_two(script: Any) -> None:
    (run,) = (read_runs([REPORT]),)
    better, worse = sorted(("MACE", "BOTNet"), key=lambda name: run[name][CASE].value)
    told = script.paired(run, worse, better, CASE)
    ratio = run[worse][CASE].value / run[better][CASE].value
    assert told.startswith(f"{ratio:.2f} (")
    low, high = (float(one) for one in told[told.index("(") + 1 : -1].split("–"))
    assert 1.0 < low < ratio < high
    turned = script.paired(run, better, worse, CASE)
    assert [float(one) for one in turned[turned.index("(") + 1 : -1].split("–")] == pytest.approx(
        [1 / high, 1 / low], abs=0.01
    )


def test_the_published_table(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = sorted(str(one) for one in REPORT.parent.glob("acac_seed*.json"))
    monkeypatch.setattr("sys.argv", ["seed_bootstrap.py", CASE, *reports])
    script.main()
    rows = capsys.readouterr().out.splitlines()[3:]
    page = (ROOT / "docs" / "egraffbench.md").read_text(encoding="utf-8")
    assert len(rows) == 5
    assert all(row in page for row in rows)
    monkeypatch.setattr("sys.argv", ["seed_bootstrap.py", "no/such/case", *reports])
    with pytest.raises(SystemExit, match="no/such/case"):
        script.main()
