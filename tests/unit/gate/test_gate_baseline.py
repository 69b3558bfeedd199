"""Baseline files: what comes back, what is refused."""

from __future__ import annotations

import copy
import errno
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.baselines import CARBON, CASES, ENERGY, FORCE, record, update, written

from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import (
    check,
    load_baseline,
    spec_of,
)
from pytest_mlff.gate.files import pack_models, sealed
from pytest_mlff.gate.records import Identity, KeptCase, as_stored, kept_case
from pytest_mlff.metrics.measurement import Measurement, measurement_of
from pytest_mlff.statistics.evidence import FrameSeries


def test_what_is_written_comes_back(file: Path) -> None:
    found = load_baseline(file)
    assert found.model == "demo"
    assert set(found.cases) == set(CASES)
    for name in CASES:
        one, original = found.cases[name].record, record(name)
        assert one.value == original.value
        assert one.identity == original.identity
        assert (one.n_frames, one.n_atoms) == (400, 8400)
        assert one.series.power == original.series.power
        assert one.series.segments == (400,)
        # float16: half a unit in the 11th bit.
        assert one.series.per_frame == pytest.approx(original.series.per_frame, rel=2**-11)
        assert one.series.value == pytest.approx(original.value, rel=1e-4)
        np.testing.assert_array_equal(one.series.totals, as_stored(original.series).totals)


def test_order_and_segments_come_back(tmp_path: Path) -> None:
    one = record(FORCE)
    order = np.random.default_rng(0).permutation(400)
    series = FrameSeries(one.series.totals, one.series.weights, order, (150, 250))
    path = tmp_path / "b.json"
    written(path, replace(one, series=series))
    back = load_baseline(path).cases[FORCE].record.series
    np.testing.assert_array_equal(back.order, order)
    assert back.segments == (150, 250)


@pytest.mark.parametrize("worst", [1e9, 1e-12])
def test_wide_ranges_survive_float16(worst: float) -> None:
    totals = np.full(5000, 10.0)
    totals[7] = worst
    series = FrameSeries(totals, np.ones(5000), np.arange(5000), (5000,))
    back = as_stored(series)
    assert np.isfinite(back.totals).all()
    assert back.value == pytest.approx(series.value, rel=1e-3)
    assert as_stored(FrameSeries(0 * totals, np.ones(5000), np.arange(5000), (5000,))).value == 0.0


def test_files_are_deterministic_sorted_small_and_readable(tmp_path: Path) -> None:
    names = [f"quick/time/molecule{i}/force_mae" for i in range(21)]
    one, two = tmp_path / "a" / "m.json", tmp_path / "b" / "m.json"
    written(one, *(record(name) for name in names))
    written(two, *(record(name) for name in reversed(names)))
    assert one.read_bytes() == two.read_bytes()
    (sidecar,) = one.parent.glob("*.npz")
    assert sidecar.read_bytes() == (two.parent / sidecar.name).read_bytes()
    # 21 cases of 400 frames: two bytes a frame and case, and little else.
    assert sidecar.stat().st_size < 2 * 21 * 400 + 21 * 350
    document = json.loads(one.read_text())
    assert list(document["cases"]) == sorted(names)
    assert document["cases"][names[0]]["value"] == record(names[0]).value


def test_a_change_of_one_case_is_a_diff_of_a_few_lines(file: Path) -> None:
    before = file.read_text().splitlines()
    written(file, record(FORCE, 0.9), record(CARBON), record(ENERGY))
    after = file.read_text().splitlines()
    changed = [a for a, b in zip(before, after, strict=True) if a != b]
    # Value, scale, name of the values; file and digest of the sidecar; digest of the whole.
    assert len(changed) <= 7
    assert len(list(file.parent.glob("*.npz"))) == 1


def broken(path: Path, how: str) -> None:
    """Damage a baseline in one way."""
    text = path.read_text()
    (sidecar,) = path.parent.glob("*.npz")
    match how:
        case "missing":
            path.unlink()
        case "directory":
            path.unlink()
            path.mkdir()
        case "truncated":
            path.write_text(text[: len(text) // 2])
        case "empty":
            path.write_text("")
        case "binary":
            path.write_bytes(b"\xff\xfe\x00\x01")
        case "list":
            path.write_text("[]")
        case "no version":
            path.write_text("{}")
        case "newer":
            path.write_text(text.replace('"schema_version": 2', '"schema_version": 9'))
        case "hand-edited":
            value = str(record(FORCE).value)
            assert value in text
            path.write_text(text.replace(value, "99.5"))
        case "merge conflict":
            path.write_text(text.replace(' "model"', '<<<<<<< HEAD\n "model"'))
        case "sidecar missing":
            sidecar.unlink()
        case "sidecar of another digest":
            sidecar.write_bytes(sidecar.read_bytes()[:-1] + b"x")
        case "sidecar truncated":
            sidecar.write_bytes(sidecar.read_bytes()[:100])
        case "sidecar a pointer":
            sidecar.write_text("version https://git-lfs.github.com/spec/v1\n")


@pytest.mark.parametrize(
    "how, said",
    [
        ("missing", "does not exist"),
        ("directory", "cannot be read"),
        ("truncated", "not complete JSON"),
        ("empty", "line 1: not complete JSON"),
        ("binary", "it is not text"),
        ("list", "holds no JSON object"),
        ("no version", "names no schema_version"),
        ("newer", "schema version 9.* reads up to 2: upgrade"),
        ("hand-edited", "was changed after it was written"),
        ("merge conflict", r"line \d+: not complete JSON"),
        ("sidecar missing", "its sidecar .* is missing"),
        ("sidecar of another digest", "another digest"),
        ("sidecar truncated", "another digest"),
        ("sidecar a pointer", "another digest"),
    ],
)
def test_damaged_files_are_one_clear_line(file: Path, how: str, said: str) -> None:
    broken(file, how)
    with pytest.raises(MlffError, match=said) as caught:
        load_baseline(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("cases"),
        lambda d: d["cases"][FORCE].pop("series"),
        lambda d: d["cases"][FORCE].pop("value"),
        lambda d: d["cases"][FORCE].update(value="much"),
        lambda d: d["cases"][FORCE]["series"].update(values="v0"),
        lambda d: d["cases"][FORCE]["series"].update(power=3),
        lambda d: d["cases"][FORCE]["series"].update(segments=[1, 2]),
        lambda d: d["cases"][FORCE]["series"].update(scale=-1.0),
        lambda d: d["cases"][FORCE]["series"].update(values=d["cases"][FORCE]["series"]["weights"]),
        lambda d: d.update(cases=[1]),
        lambda d: d["cases"].update({FORCE: 3}),
        lambda d: d["cases"][FORCE].update(accepted=[{"why": 1}]),
        lambda d: d["sidecar"].update(file="../../etc/passwd"),
        lambda d: d.update(sidecar=None),
        lambda d: d["sidecar"].update(file=5),
        lambda d: d["sidecar"].update(sha256=5),
    ],
)
def test_wrong_content_under_a_right_digest_is_one_clear_line(file: Path, damage) -> None:  # type: ignore[no-untyped-def]
    from pytest_mlff.gate.files import sealed

    document = json.loads(file.read_text())
    damage(document)
    file.write_text(json.dumps(sealed(document)))
    with pytest.raises(MlffError) as caught:
        load_baseline(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("fails_at", ["*.npz", "demo.json"])
def test_a_full_disk_leaves_the_old_pair(
    file: Path, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    kept = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    real = os.replace

    def full(source: str, target: str | Path) -> None:
        if Path(target).match(fails_at):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(MlffError, match=r"No space left on device.*unchanged"):
        written(file, record(FORCE, 0.5))
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == kept
    assert set(load_baseline(file).cases) == set(CASES)


def test_the_same_model_is_exactly_equal_and_a_worse_one_regressed(file: Path) -> None:
    baseline = load_baseline(file)
    same = check(baseline, [record(name) for name in CASES])
    assert [one.change for one in same.regressions.values()] == [0.0, 0.0, 0.0]
    assert not any(one.regressed for one in same.regressions.values())
    assert (same.refused, same.new, same.orphans) == ({}, (), ())
    worse = check(baseline, [record(FORCE, 1.05), record(CARBON), record(ENERGY, 1.05)])
    verdicts = {name: one.regressed for name, one in worse.regressions.items()}
    assert verdicts == {FORCE: True, CARBON: False, ENERGY: True}
    assert worse.regressions[ENERGY].change == pytest.approx(0.05, abs=1e-3)
    tolerated = check(baseline, [record(FORCE, 1.05)], margin={FORCE: 0.10})
    assert tolerated.regressions[FORCE].regressed is False


@pytest.mark.parametrize("what", ["data", "spec", "dtype", "unit"])
def test_other_identity_is_refused_with_the_reason(file: Path, what: str) -> None:
    found = check(load_baseline(file), [record(FORCE, **{what: "other"}), record(CARBON)])
    assert list(found.regressions) == [CARBON]
    assert what in found.refused[FORCE]
    assert "other here" in found.refused[FORCE]


def test_other_frames_under_one_digest_are_refused(file: Path) -> None:
    found = check(load_baseline(file), [record(FORCE, n=399)])
    assert "399 frames against 400" in found.refused[FORCE]


def test_orphans_and_new_cases_are_named(file: Path) -> None:
    baseline = load_baseline(file)
    new = "quick/time/aspirin/stress_mae"
    found = check(baseline, [record(FORCE), record(new)])
    assert found.orphans == (ENERGY, CARBON)
    assert found.new == (new,)
    deselected = check(baseline, [record(FORCE)], collected=[FORCE, CARBON])
    assert deselected.orphans == (ENERGY,)


def test_families_are_specs() -> None:
    assert spec_of("saibench/time_extrapolation/aspirin-n200/force_mae[H]") == (
        "saibench/time_extrapolation"
    )


def test_records_of_measurements() -> None:
    series = record(FORCE).series
    good = measurement_of(series, "meV/Å", 8400)
    made = kept_case(FORCE, "force_mae", None, good, data="d", spec="s", dtype="float32")
    assert made is not None
    assert made.value == good.value
    assert made.identity == Identity("d", "s", "float32", "meV/Å")
    nan = Measurement(math.nan, "meV/Å", 1, 1)
    assert kept_case(FORCE, "force_mae", None, nan, data="d", spec="s", dtype="x") is None


def report(path: Path, **models: list[KeptCase]) -> Path:
    residuals, content = pack_models(models, f"{path.stem}.npz")
    path.with_suffix(".npz").write_bytes(content)
    path.write_text(json.dumps({"schema_version": 1, "cases": [], "residuals": residuals}))
    return path


def test_a_report_serves_as_baseline(tmp_path: Path) -> None:
    path = report(tmp_path / "base.json", demo=[record(FORCE)], other=[record(FORCE, 2.0)])
    with pytest.raises(MlffError, match=r"names several models: it holds demo, other"):
        load_baseline(path)
    with pytest.raises(MlffError, match=r"does not hold model 'none'"):
        load_baseline(path, model="none")
    found = load_baseline(path, model="other")
    assert found.is_report
    assert check(found, [record(FORCE)]).regressions[FORCE].change == pytest.approx(-0.5, abs=1e-3)
    with pytest.raises(MlffError, match="is a report, which cannot be updated"):
        update(found, record(FORCE))
    document = json.loads(path.read_text())
    for edit in ("models", "model_digests", "sidecar"):
        changed = copy.deepcopy(document)
        changed["residuals"][edit]["demo"] = changed["residuals"]["models"]["other"]
        path.write_text(json.dumps(changed))
        with pytest.raises(MlffError, match="changed after it was written: repeat that run"):
            load_baseline(path, model="other")
    del document["residuals"]["digest"]
    path.write_text(json.dumps(document))
    with pytest.raises(MlffError, match=r"carries no digest of its values.*--mlff-update-baseline"):
        load_baseline(path, model="other")
    bare = tmp_path / "bare.json"
    bare.write_text('{"schema_version": 1, "cases": []}')
    with pytest.raises(MlffError, match="holds no per-frame values"):
        load_baseline(bare)


@pytest.mark.parametrize("told", [{}, None, [1], {"demo": "m" * 64}])
def test_a_report_need_not_know_its_checkpoints(tmp_path: Path, told: object) -> None:
    path = report(tmp_path / "base.json", demo=[record(FORCE)])
    document = json.loads(path.read_text())
    for residuals in (
        {**document["residuals"], "model_digests": told},
        {key: one for key, one in document["residuals"].items() if key != "model_digests"},
    ):
        path.write_text(json.dumps({**document, "residuals": sealed(residuals)}))
        known = isinstance(told, dict) and "model_digests" in residuals
        found = load_baseline(path).cases[FORCE].model_digest
        assert found == (told.get("demo") if known else None)


def test_no_sidecar_of_another_baseline_is_removed(tmp_path: Path) -> None:
    """An edited file may name any: what is cleared away is this baseline's own, old one."""
    one = written(tmp_path / "one.json", record(FORCE))
    written(tmp_path / "two.json", record(FORCE, 2.0))
    (foreign,) = tmp_path.glob("two.*.npz")
    (own,) = tmp_path.glob("one.*.npz")
    document = json.loads(one.path.read_text())
    document["sidecar"]["file"] = foreign.name
    one.path.write_text(json.dumps(document))
    written(one.path, record(FORCE, 3.0))
    assert foreign.exists()
    # One that the file does name goes.
    (new,) = set(tmp_path.glob("one.*.npz")) - {own}
    written(one.path, record(FORCE, 4.0))
    assert not new.exists()
