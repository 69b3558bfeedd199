"""What a case needs is named without loading anything, and as the keys of the products have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlff.datasets.splits import cut
from pytest_mlff.errors import MlffError
from pytest_mlff.metrics import registry
from pytest_mlff.metrics.registry import Metric, Need, metric_named
from pytest_mlff.run.needs import LAW_RUN, PASS, TRAINING, TRAJECTORY, ProductName, needs_of
from pytest_mlff.run.options import Located
from pytest_mlff.run.plan import plan_spec
from pytest_mlff.run.planned_case import PlannedCase, planned_cases
from pytest_mlff.specs import builtin_folder

SHIPPED = ["quick.yaml", "saibench/sample_efficiency.yaml", "saibench/cross_molecule.yaml"]


def _cases(spec: str, model: str, folder: Path = Path()) -> list[PlannedCase]:
    planned = plan_spec(builtin_folder() / spec, "embedded", None)
    return list(planned_cases(planned, [Located(model, folder)]))


@pytest.mark.parametrize("spec", SHIPPED)
def test_cases_share_a_name_where_they_share_the_frames_of_the_key(spec: str) -> None:
    by_name: dict[ProductName, set[str]] = {}
    cut_once: dict[str, str] = {}
    for one in _cases(spec, "demo"):
        if one.case.is_pooled:  # needs the passes of all
            continue
        variant = one.case.variant
        if variant.id not in cut_once:
            frames = cut(variant, one.planned.source).test_frames
            cut_once[variant.id] = frames.structure_digest
        for need in needs_of(one):
            if need.kind == PASS:
                by_name.setdefault(need, set()).add(cut_once[variant.id])
    assert by_name
    assert all(len(digests) == 1 for digests in by_name.values())
    assert len(set.union(*by_name.values())) == len(by_name)


def test_a_recipe_needs_its_training_and_then_the_pass(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("schema_version: 1\ntrainer: a:b\nbudget: 1\n")
    cases = _cases(SHIPPED[1], "mine.yaml", tmp_path)
    kinds = {tuple(need.kind for need in needs_of(one)) for one in cases if one.source}
    assert (TRAINING, PASS) in kinds
    trainings = {needs_of(one)[0] for one in cases if one.source}
    passes = {needs_of(one)[-1] for one in cases if one.source}
    assert len(trainings) == len({one.text.rpartition(", test")[0] for one in passes})


def test_metrics_of_a_simulation_share_its_trajectory() -> None:
    cases = [
        one
        for spec in ("egraffbench/dynamics.yaml", "egraffbench/dynamics_nve.yaml")
        for one in _cases(spec, "demo")
        if metric_named(one.case.metric).ensembles
    ]
    needs = {(one.planned.spec.name, one.case.variant.id, needs_of(one)) for one in cases}
    assert {need.kind for _, _, (need,) in needs} == {TRAJECTORY}
    # One of each molecule and ensemble, however many metrics are taken of it.
    assert len(needs) == len({need for _, _, need in needs}) == 6


def test_a_routed_source_trains_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("routed: []\n")
    kinds = {
        need.kind for one in _cases(SHIPPED[1], "mine.yaml", tmp_path) for need in needs_of(one)
    }
    assert TRAINING not in kinds
    assert PASS in kinds


def test_nothing_is_loaded_for_a_name() -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pytest_mlff.run.needs import needs_of\n"
        "from pytest_mlff.run.options import Located\n"
        "from pytest_mlff.run.plan import plan_spec\n"
        "from pytest_mlff.run.planned_case import planned_cases\n"
        "from pytest_mlff.specs import builtin_folder\n"
        "planned = plan_spec(builtin_folder() / 'quick.yaml', None, None)\n"
        "cases = planned_cases(planned, [Located('no/such.pth', Path())])\n"
        "assert len({needs_of(one) for one in cases}) > 7\n"
        "print([name for name in ('torch', 'nequip', 'hypothesis') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "needs, kinds",
    [
        ({"frames", "predictions"}, [PASS]),
        ({"frames", "potential"}, [LAW_RUN]),
        ({"potential", "predictions"}, [LAW_RUN, PASS]),
    ],
)
def test_products_are_those_that_the_registry_says(
    needs: set[Need], kinds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = next(one for one in _cases(SHIPPED[0], "demo") if one.source)
    metric = Metric(one.case.metric, "1", "made up", lambda _: None, needs=needs)
    monkeypatch.setattr(registry, "_standing", lambda: {metric.id: metric})
    assert [name.kind for name in needs_of(one)] == kinds


def test_a_metric_of_trajectories_names_its_ensembles() -> None:
    with pytest.raises(MlffError, match="names the ensembles"):
        Metric("one", "1", "made up", lambda _: None, needs={"trajectories"})
    with pytest.raises(MlffError, match="names the ensembles"):
        Metric("one", "1", "made up", lambda _: None, ensembles=("nve",))
