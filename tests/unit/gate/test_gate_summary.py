"""What is said at the end of a gated run."""

from __future__ import annotations

from typing import Any

from pytest_mlff.reports.model import CaseRecord
from pytest_mlff.run.baseline_summary import KeptValues, _later_steps


def case(name: str, p: float, tests: int = 4, spec: str = "p") -> CaseRecord:
    content: dict[str, Any] = dict.fromkeys(
        ["species", "n_frames", "n_atoms", "ci_low", "ci_high", "threshold_provenance", "seconds"]
    )
    return CaseRecord(
        **content, case_id=f"s/{spec}/v/{name}", suite="s", spec=spec, variant="v", metric=name,
        model="m", dataset="d", value=1.0, unit="meV", threshold=2.0, baseline=1.0,
        regressed=tests * p <= 0.05, verdict="passed", reason="", nodeid=name,
        evidence={"baseline_p": p, "baseline_tests": tests},
    )  # fmt: skip


def test_the_later_steps_of_holm_by_hand() -> None:
    # 4 p1 = 0.04, 3 p2 = 0.045 and 2 p3 = 0.048 are rejected, p4 = 0.06 is not.
    told = [case("a", 0.01), case("b", 0.015), case("c", 0.024), case("d", 0.06)]
    assert [one.regressed for one in told] == [True, False, False, False]
    assert _later_steps(told) == ["s/p/v/b", "s/p/v/c"]
    # Without the first, nothing follows: a green spec stays green.
    assert _later_steps(told[1:]) == []
    # Tests of the spec that were not run count as well.
    assert _later_steps([case("a", 0.004, 12), case("b", 0.006, 12)]) == []
    # Another spec is another family.
    assert _later_steps([told[0], case("b", 0.015, spec="q")]) == []


def test_values_that_cases_share_are_held_once() -> None:
    import numpy as np

    kept = KeptValues()
    assert kept.residuals("r.npz", {}) == (None, None)
    arrays = {"w1": np.ones(3, np.float32), "v1": np.ones(3, np.float16)}
    kept.add("m", "a", {"x": 1}, arrays)
    kept.add("m", "b", {"x": 2}, arrays)
    residuals, content = kept.residuals("r.npz", {})
    assert residuals is not None
    assert residuals["models"] == {"m": {"a": {"x": 1}, "b": {"x": 2}}}
    assert len(kept.arrays) == 2
    assert content is not None
