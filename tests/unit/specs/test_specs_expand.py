"""Axes to variants."""

from __future__ import annotations

import itertools
import pickle

import pytest

from pytest_mlff.specs import ResolvedSelection, builtin_folder, expand, load_spec
from pytest_mlff.specs.template import fill, template_names


def test_order_is_that_of_axes_then_values(write_spec) -> None:
    spec = load_spec(write_spec())
    assert [variant.id for variant in expand(spec)] == [
        "aspirin-n100", "aspirin-n200", "ethanol-n100", "ethanol-n200",
    ]  # fmt: skip
    assert expand(spec)[1].values == {"molecule": "aspirin", "samples": 200}


def test_order_of_values_in_the_file_does_not_matter(write_spec) -> None:
    ids = set()
    orders = itertools.permutations(["9", "10", "2.5", "b", "aa", "true"])
    for samples in itertools.islice(orders, 0, None, 29):
        text = f"samples: [{', '.join(samples)}]"
        path = write_spec(
            ("samples: [200, 100]", text),
            ("where: samples > 0", "where: molecule == 'ethanol'"),
            (", pick: random, count: samples", ""),
        )
        ids.add(tuple(variant.id for variant in expand(load_spec(path))))
    assert ids == {tuple(f"ethanol-n{s}" for s in ("true", "2.5", "9", "10", "aa", "b"))}


def test_where_equals_a_filter_by_hand(write_spec) -> None:
    path = write_spec(
        ("samples: [200, 100]", "start: [0, 15, 30, 45, 60]\n  size: [30, 45, 60, 75, 90]"),
        ("where: samples > 0", "where: start + size <= 90 and molecule == 'ethanol'"),
        ('variant: "{molecule}-n{samples}"', 'variant: "start{start}-size{size}"'),
        ("end: 80, pick: random, count: samples", "start: start, end: start + size"),
        ("    axes: {samples: [400, 800]}\n", ""),
    )
    expected = [
        (start, start + size)
        for start, size in itertools.product((0, 15, 30, 45, 60), (30, 45, 60, 75, 90))
        if start + size <= 90
    ]
    variants = expand(load_spec(path))
    windows = []
    for variant in variants:
        assert variant.selections.train is not None
        windows.append((variant.selections.train.start, variant.selections.train.end))
    assert windows == expected
    assert len(expected) == 15


def test_dataset_replaces_axes_and_where(write_spec) -> None:
    spec = load_spec(write_spec())
    assert [v.id for v in expand(spec, "rmd17")] == [
        "aspirin-n400", "aspirin-n800", "ethanol-n400", "ethanol-n800",
    ]  # fmt: skip
    stricter = load_spec(
        write_spec(("axes: {samples: [400, 800]}", "where: samples == 100 and dataset == 'rmd17'"))
    )
    assert [v.id for v in expand(stricter, "rmd17")] == ["aspirin-n100", "ethanol-n100"]
    assert len(expand(stricter)) == 4
    lifted = load_spec(
        write_spec(("where: samples > 0", "where: samples > 100"),
                   ("axes: {samples: [400, 800]}", "where: 'true'"))
    )  # fmt: skip
    assert (len(expand(lifted)), len(expand(lifted, "rmd17"))) == (2, 4)


def test_selections_are_resolved(write_spec) -> None:
    path = write_spec(
        ("samples: [200, 100]", "samples: [200, 100]\n  group: [abg]"),
        ('variant: "{molecule}-n{samples}"', 'variant: "{group}-{molecule}-n{samples}"'),
        ('train: {molecules: "{molecule}", end: 80',
         'train: {molecules: ["{group}", f], start: "90 / 4", end: 80'),
        ("count: samples", "count: samples / 2"),
    )  # fmt: skip
    variant = expand(load_spec(path))[0]
    assert variant.selections.train == ResolvedSelection(
        ("aspirin", "ethanol", "uracil", "toluene"), 22.5, 80.0, "random", 50
    )
    assert isinstance(variant.selections.train.count, int)
    assert variant.selections.validation is None
    assert variant.selections.test == ResolvedSelection(("aspirin",), 90.0, 100.0, "all", None)


def test_own_file_keeps_its_name(write_spec) -> None:
    path = write_spec(
        ("  embedded:\n", "  mine: {path: abc.xyz, units: eV, time_ordered: true}\n"),
        ("molecule: [ethanol, aspirin]", "molecule: [abc]"),
    )
    spec = load_spec(path)
    assert expand(spec)[0].selections.test.molecules == ("abc",)
    assert expand(spec)[0].option.path == "abc.xyz"
    assert expand(spec, "rmd17")[0].selections.test.molecules == (
        "aspirin", "ethanol", "malonaldehyde",
    )  # fmt: skip


def test_windows_that_touch_do_not_overlap(write_spec) -> None:
    expand(load_spec(write_spec(("end: 80", "end: 90"))))


def test_same_window_of_another_molecule_is_no_overlap(write_spec) -> None:
    path = write_spec(('train: {molecules: "{molecule}", end: 80', "train: {molecules: f, end: 95"))
    assert len(expand(load_spec(path))) == 4


def test_no_axes_is_one_variant(write_spec) -> None:
    path = write_spec(
        ("axes:\n  molecule: [ethanol, aspirin]\n  samples: [200, 100]\n", ""),
        ("where: samples > 0\n", ""),
        ('variant: "{molecule}-n{samples}"', "variant: only"),
        ('train: {molecules: "{molecule}", end: 80, pick: random, count: samples}', "train: null"),
        ('test: {molecules: "{molecule}", start', "test: {molecules: [a, b], start"),
        ("    axes: {samples: [400, 800]}\n", ""),
    )
    (variant,) = expand(load_spec(path))
    assert (variant.id, variant.values, variant.selections.train) == ("only", {}, None)


def test_variants_travel_between_processes(write_spec) -> None:
    variants = expand(load_spec(write_spec()))
    copies = pickle.loads(pickle.dumps(variants))
    assert copies == variants
    assert {hash(copy) for copy in copies} == {hash(variant) for variant in variants}
    assert len(set(variants)) == 4


def test_two_readings_give_equal_variants(write_spec) -> None:
    path = write_spec()
    assert expand(load_spec(path)) == expand(load_spec(path))


@pytest.mark.parametrize(
    "value, text",
    [(30, "30"), (30.0, "30"), (7.5, "7.5"), (0.1, "0.1"), (1e-7, "1e-07"), (True, "true"),
     (False, "false"), ("abg", "abg"), (-5, "-5"), (1e22, "1e+22")],
)  # fmt: skip
def test_values_in_templates(value, text: str) -> None:
    assert fill("x{n}-{n}y", {"n": value}) == f"x{text}-{text}y"
    assert template_names("x{n}-{m}y") == ("n", "m")


@pytest.mark.parametrize(
    "name, roles",
    [
        ("sample_efficiency", {"train_count": "samples"}),
        (
            "time_extrapolation",
            {"train_start": "start", "train_end": "size", "train_count": "samples"},
        ),
        (
            "cross_molecule",
            {
                "train_systems": "train_set",
                "test_systems": "test_molecule",
                "train_count": "samples",
            },
        ),
    ],
)
def test_an_axis_has_the_role_of_what_it_sets(name: str, roles: dict[str, str]) -> None:
    spec = load_spec(builtin_folder() / f"saibench/{name}.yaml")
    assert {tuple(sorted(one.roles.items())) for one in expand(spec)} == {
        tuple(sorted(roles.items()))
    }
