"""The shipped ``quick`` spec, and names shared with the datasets."""

from __future__ import annotations

from pytest_mlff.datasets.molecules import MOLECULES
from pytest_mlff.specs import builtin_folder, cases_of, expand, load_spec
from pytest_mlff.specs.molecule_names import LETTERS, molecules_named


def test_variants_and_cases() -> None:
    spec = load_spec(builtin_folder() / "quick.yaml")
    for dataset in ("embedded", "rmd17"):
        variants = expand(spec, dataset)
        assert [variant.id for variant in variants] == sorted(m.name for m in MOLECULES)
        for variant in variants:
            selections = variant.selections
            assert selections.train is not None
            assert selections.validation is not None
            assert (selections.train.start, selections.train.end) == (0, 85)
            assert (selections.validation.start, selections.validation.end) == (85, 90)
            assert (selections.test.start, selections.test.end) == (90, 100)
            assert selections.test.molecules == (variant.id,)
    ids = [case.case_id for case in cases_of(expand(spec)[0], ["C", "H", "O"])]
    assert ids == [
        f"quick/quick/aspirin/{metric}"
        for metric in (
            "energy_mae", "force_mae", "force_mae[C]", "force_mae[H]", "force_mae[O]",
            "force_rmse", "force_rmse[C]", "force_rmse[H]", "force_rmse[O]", "rotation",
            "force_consistency",
        )
    ]  # fmt: skip


def test_the_first_dataset_is_the_default() -> None:
    spec = load_spec(builtin_folder() / "quick.yaml")
    assert next(iter(spec.datasets)) == "embedded"
    assert {variant.dataset for variant in expand(spec)} == {"embedded"}


def test_letters_are_those_of_the_datasets() -> None:
    assert [m.name for m in MOLECULES] == list(LETTERS.values())
    assert molecules_named("abg") == ("aspirin", "ethanol", "uracil")
    assert molecules_named("aspirin") == ("aspirin",)
    assert molecules_named("benzene") == ("benzene",)
    assert not any(set(name) <= set(LETTERS) for name in LETTERS.values())
