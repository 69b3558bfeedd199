"""What shares a pass, a training or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlff.run.needs import ProductName, needs_of
from pytest_mlff.run.options import Located
from pytest_mlff.run.plan import plan_spec
from pytest_mlff.run.planned_case import PlannedCase, nodeid_of, planned_cases
from pytest_mlff.scheduling.xdist.durations import Durations
from pytest_mlff.scheduling.xdist.groups import (
    Group,
    cut_own_tests,
    finder,
    group_items,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """\
schema_version: 1
title: Draft
source: {paper: made for this test, section: none}
datasets:
  embedded:
"""
LIMIT = "provenance: {source: physical_limit, reference: made for this test}"
CASES = f"""\
cases:
  - metric: energy_mae
    thresholds: [{{max: 1, unit: meV/atom, {LIMIT}}}]
  - metric: force_mae
    thresholds: [{{max: 1, unit: meV/Å, {LIMIT}}}]
  - metric: rotation
    thresholds: [{{max: 1, unit: "1", {LIMIT}}}]
"""
GROWING = (
    HEAD
    + """\
axes:
  samples: [20, 40]
variant: "n{samples}"
frames:
  train: {molecules: ethanol, end: 80, pick: first, count: samples}
  test: {molecules: ethanol, start: 90}
"""
    + CASES
)
CROSS = (
    HEAD
    + """\
axes:
  train_set: [b, bc]
  test_molecule: [a, d]
variant: "train-{train_set}-test-{test_molecule}"
frames:
  train: {molecules: "{train_set}", pick: first, count: 50}
  test: {molecules: "{test_molecule}", start: 90}
"""
    + CASES
)


@pytest.fixture
def cases(tmp_path: Path) -> Any:
    def cases(text: str, *models: str, name: str = "one") -> list[PlannedCase]:
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        for model in models:
            if model.endswith(".yaml"):  # what makes a file a recipe stands in it
                (tmp_path / model).write_text("schema_version: 1\ntrainer: a:b\nbudget: 1\n")
        sources = [Located(model, tmp_path) for model in models or ("demo",)]
        return list(planned_cases(plan_spec(path, None, None), sources))

    return cases


def names(cases: Iterator[PlannedCase], kind: str) -> dict[ProductName, set[str]]:
    found: dict[ProductName, set[str]] = {}
    for one in cases:
        name = needs_of(one)[0]
        if name.kind == kind:
            found.setdefault(name, set()).add(f"{one.case.variant.id}/{one.case.metric}")
    return found


def test_variants_with_the_same_test_frames_share_a_pass(cases: Any) -> None:
    (shared,) = names(cases(GROWING), "pass").values()
    assert shared == {"n20/energy_mae", "n20/force_mae", "n40/energy_mae", "n40/force_mae"}


def test_also_those_of_another_spec(cases: Any) -> None:
    first, second = cases(GROWING), cases(GROWING, name="two")
    assert set(names(first, "pass")) == set(names(second, "pass"))


def test_two_models_share_nothing(cases: Any) -> None:
    assert len(names(cases(GROWING, "demo", "b.ckpt"), "pass")) == 2


def test_one_checkpoint_per_variant_is_one_pass_per_variant(cases: Any) -> None:
    assert len(names(cases(GROWING, "runs/{variant}.ckpt"), "pass")) == 2


def test_a_recipe_shares_trainings_and_not_test_sets(cases: Any) -> None:
    found = names(cases(CROSS, "small.yaml"), "training")
    assert sorted(sorted(some) for some in found.values()) == [
        sorted(
            f"train-{trained}-test-{tested}/{metric}"
            for tested in "ad"
            for metric in ("energy_mae", "force_mae", "rotation")
        )
        for trained in ("b", "bc")
    ]
    assert len(names(cases(GROWING, "small.yaml"), "training")) == 2


def test_test_molecules_are_passes_of_their_own_with_a_fixed_model(cases: Any) -> None:
    found = names(cases(CROSS), "pass")
    # Tested on a, with training set b or bc: the same frames.
    assert sorted(len(some) for some in found.values()) == [4, 4]


@pytest.mark.parametrize(
    "change",
    [
        ("start: 90", "start: 80"),
        ("start: 90", "start: 90, pick: first, count: 5"),
        ("test: {molecules: ethanol", "test: {molecules: uracil"),
    ],
)
def test_other_frames_are_another_pass(cases: Any, change: tuple[str, str]) -> None:
    other = GROWING.replace(*change)
    assert other != GROWING
    assert not set(names(cases(GROWING), "pass")) & set(names(cases(other, name="two"), "pass"))


def test_other_labels_are_another_pass(cases: Any) -> None:
    one = cases(GROWING)[0]
    option = one.case.variant.option.model_copy(update={"level_of_theory": "another"})
    spec = one.case.variant.spec.model_copy(update={"datasets": {"embedded": option}})
    variant = replace(one.case.variant, spec=spec)
    assert needs_of(replace(one, case=replace(one.case, variant=variant))) != needs_of(one)


def test_a_random_pick_depends_on_the_seed(cases: Any) -> None:
    random = GROWING.replace("start: 90", "start: 90, pick: random, count: 5")
    first = names(cases(random), "pass")
    assert set(first) != set(names(cases(random + "seed: 3\n", name="two"), "pass"))
    assert set(names(cases(GROWING), "pass")) == set(
        names(cases(GROWING + "seed: 3\n", name="two"), "pass")
    )


def test_every_law_stands_alone(cases: Any) -> None:
    assert len(names(cases(GROWING, "demo", "b.ckpt"), "law")) == 4


def _session(cases: list[PlannedCase], several: bool = False) -> Any:
    by_nodeid = {nodeid_of(one, Path("/"), several): one for one in cases}
    return SimpleNamespace(by_nodeid=by_nodeid, several_models=several)


def test_every_item_is_in_one_group(cases: Any) -> None:
    planned = cases(GROWING)
    session = _session(planned)
    own = ["tests/test_a.py::test_one", "tests/test_a.py::test_two[x]", "tests/test_b.py::test_one"]
    shares = f"tests/test_b.py::test_mine[{planned[0].label(False)}]"
    nodeids = [*own, shares, *session.by_nodeid]
    groups = group_items(nodeids, finder(session))
    assert sorted(item for group in groups for item in group.items) == list(range(len(nodeids)))
    by_kind = {kind: [g for g in groups if g.name.kind == kind] for kind in ("own", "pass", "law")}
    assert [group.items for group in by_kind["own"]] == [(0, 1), (2,)]
    # A test that asks for a case's predictions reads the pass that the case reads.
    (shared,) = by_kind["pass"]
    assert 3 in shared.items
    assert len(shared.items) == 5
    assert len(by_kind["law"]) == 2


def _own(sizes: dict[str, int]) -> list[Group]:
    found, first = [], 0
    for file, size in sizes.items():
        found.append(Group(ProductName("own", file), tuple(range(first, first + size))))
        first += size
    return found


def test_own_tests_are_cut_by_count() -> None:
    groups = _own({"a": 80, "b": 3, "c": 1})
    durations = Durations()
    cut = cut_own_tests(groups, 2, durations.estimate)
    assert [item for group in cut for item in group.items] == list(range(84))
    assert max(len(group.items) for group in cut) <= 84 / 8
    assert [group.items for group in cut if group.name.text == "b"] == [(80, 81, 82)]


def test_a_slow_file_is_cut_by_time() -> None:
    groups = _own({"slow": 10, "fast": 90})
    durations = Durations({"own: slow": 60.0, "own: fast": 0.01})
    cut = cut_own_tests(groups, 1, durations.estimate)
    assert [len(group.items) for group in cut if group.name.text == "slow"] == [2, 3, 2, 3]


def test_other_groups_are_never_cut() -> None:
    groups = [Group(ProductName("pass", "a"), tuple(range(100))), *_own({})]
    assert cut_own_tests(groups, 8, Durations().estimate) == groups
