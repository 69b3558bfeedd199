"""``mlff init``: limits of the spec that it writes, from what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mlff.cli.init_frames import MOLECULES, Ground, constant_errors, embedded_ground
from pytest_mlff.cli.init_measure import Measured
from pytest_mlff.cli.init_spec import first_spec
from pytest_mlff.reports.model import CaseRecord, ModelRecord, Report, RunRecord, VariantRecord
from pytest_mlff.specs import Spec, load_spec


def record(molecule: str, metric: str, value: float | None, species: str | None) -> CaseRecord:
    return CaseRecord(
        case_id=f"specs/first/{molecule}/{metric}[{species}]", suite="specs",
        spec="first", variant=molecule, metric=metric, species=species, model="m",
        dataset="embedded", value=value,
        unit="meV/atom" if metric == "energy_mae" else "meV/Å",
        n_frames=200, n_atoms=1800, ci_low=None, ci_high=None, threshold=1e12,
        threshold_provenance=None, baseline=None, regressed=None,
        verdict="unsupported" if value is None else "passed", reason="no N", seconds=None,
        nodeid="", evidence={},
    )  # fmt: skip


def measured(*cases: CaseRecord, digest: str = "f" * 64) -> Measured:
    run = RunRecord(
        started="2026-01-01T00:00:00+00:00", seconds=1.0, exit_code=0, versions={}, device="cpu",
        dtype=None, seeds={}, platform={}, spec_digests={}, data_digests={}, model_digests={},
        collected=len(cases),
    )  # fmt: skip
    model = ModelRecord(
        name="m", source="m", family="ase", digest=digest, species=None, cutoff=None,
        device="cpu", dtype="float64", versions={},
    )  # fmt: skip
    variants = [
        VariantRecord(
            suite="specs", spec="first", variant=name, dataset="embedded", axes={"system": name},
            train_molecules=[], test_molecules=[name], train_window=None, test_window=[90.0, 100.0],
            n_train=None, n_test=200, unsupported=None,
        )
        for name in MOLECULES
    ]  # fmt: skip
    return Measured(Report(run=run, models=[model], cases=list(cases), variants=variants))


def made(
    tmp_path: Path, *found: Measured, ground: Ground | None = None, constant: float = 1e9
) -> tuple[Spec, list[str]]:
    """The spec and remarks of measurements; a model that knows nothing errs by ``constant``."""
    limits = dict.fromkeys(MOLECULES, dict.fromkeys(("energy_mae", "force_mae"), constant))
    reports = [one.report for one in found if one.report is not None]
    text, remarks = first_spec("m", reports, ground or embedded_ground(), limits)
    path = tmp_path / "first.yaml"
    path.write_text(text, encoding="utf-8")
    return load_spec(path), remarks


def limits(spec: Spec, metric: str) -> dict[tuple[str, ...], float]:
    """Limits of a metric by molecule and species."""
    (case,) = (case for case in spec.cases if case.metric == metric)
    return {
        (row[0], *(one.species or ("all",))): row[-1] for one in case.thresholds for row in one.rows
    }  # type: ignore[misc]


def test_limits_are_those_of_each_molecule_and_species(tmp_path: Path) -> None:
    cases = [
        record("ethanol", "energy_mae", 1.0, None),
        record("uracil", "energy_mae", 0.7, None),
        record("ethanol", "force_mae", 20.0, None),
        record("ethanol", "force_mae", 31.0, "O"),
        record("uracil", "force_mae", 25.0, None),
        record("malonaldehyde", "force_mae", None, None),
    ]
    spec, remarks = made(tmp_path, measured(*cases))
    assert limits(spec, "energy_mae") == {("ethanol", "all"): 1.3, ("uracil", "all"): 0.91}
    assert limits(spec, "force_mae") == {
        ("ethanol", "all"): 26, ("uracil", "all"): 33, ("ethanol", "O"): 41,
    }  # fmt: skip
    assert [case.metric for case in spec.cases[2:]] == ["rotation", "force_consistency"]
    assert spec.pooled == ("energy_mae", "force_mae")
    assert spec.axes["system"] == ("ethanol", "uracil")
    assert remarks == ["m does not support malonaldehyde, which is left out"]
    why = spec.cases[0].thresholds[0].provenance
    assert (why.frames, why.seeds) == (400, 1)
    assert "m (sha256 ffffffffffff)" in why.reference


def test_three_seeds_set_limits_by_their_spread(tmp_path: Path) -> None:
    seeds = [
        measured(record("ethanol", "force_mae", value, None), digest=f"{value:g}" * 32)
        for value in (20.0, 24.0, 22.0)
    ]
    spec, _ = made(tmp_path, *seeds)
    assert limits(spec, "force_mae") == {("ethanol", "all"): 28}
    why = spec.cases[0].thresholds[0].provenance
    assert (why.seeds, "largest of 3 seeds" in why.reference) == (3, True)


def test_no_limit_is_zero(tmp_path: Path) -> None:
    cases = [record("ethanol", "energy_mae", 0.0, None), record("ethanol", "force_mae", 0.0, None)]
    spec, _ = made(tmp_path, measured(*cases))
    assert limits(spec, "energy_mae") == limits(spec, "force_mae") == {("ethanol", "all"): 0.001}


@pytest.mark.parametrize("metric", ["energy_mae", "force_mae"])
def test_a_model_that_knows_nothing_sets_no_limits(tmp_path: Path, metric: str) -> None:
    other = "force_mae" if metric == "energy_mae" else "energy_mae"
    for value, there in ((99.0, True), (100.0, False)):
        found = measured(
            record("ethanol", metric, value, None), record("ethanol", other, 1e-3, None)
        )
        spec, remarks = made(tmp_path, found, constant=100.0)
        assert (metric in {case.metric for case in spec.cases}) == there
        assert any(metric in remark for remark in remarks) != there
        # On the user's own frames it is reported, and compared with the baseline.
        spec, remarks = made(
            tmp_path, found, constant=100.0, ground=replace(embedded_ground(), own=True)
        )
        (case,) = (case for case in spec.cases if case.metric == metric)
        assert bool(case.thresholds) == there
        assert limits(spec, other) == {("ethanol", "all"): pytest.approx(0.0013)}


def test_errors_of_a_constant_by_hand() -> None:
    import numpy as np

    from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER
    from pytest_mlff.datasets.registry import open_dataset

    with np.load(EMBEDDED_FOLDER / "ethanol.npz") as archive:
        energy = archive["energy.gfn2-xtb"][1800:].astype(float)
        forces = archive["forces.gfn2-xtb"][1800:].astype(float)
    frames = open_dataset("embedded").load("ethanol").frames
    found = constant_errors(frames.select(slice(1800, None)))
    assert found == {
        "energy_mae": pytest.approx(1000 * np.mean(abs(energy - energy.mean())) / 9),
        "force_mae": pytest.approx(1000 * np.mean(abs(forces)), rel=1e-5),
    }
