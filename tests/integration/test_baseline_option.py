"""``--mlff-baseline``: a regression is red on the item, whatever cannot be told is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.gated import IDS, SPEC, cases, gate_run, gated_repo, only_line
from support.repos import once, read_json

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import Pytester

ENERGY, FORCE, CARBON, HYDROGEN, OXYGEN = IDS


@pytest.fixture
def based(pytester: Pytester, shared: Path) -> Path:
    """A repository in which ``base.json`` is the base model's report."""
    once(pytester, shared / "based", lambda: _base(pytester))
    return pytester.path


def _base(pytester: Pytester, spec: str = SPEC) -> None:
    gated_repo(pytester, spec)
    assert gate_run(pytester, "base", report="base.json").ret == 0


def test_the_same_model_is_green_and_says_what_it_could_have_seen(
    pytester: Pytester, based: Path
) -> None:
    result = gate_run(pytester, "base", "--mlff-baseline=base.json")
    assert result.ret == 0
    found = cases(pytester)
    assert set(found) == set(IDS)
    for case in found.values():
        assert case["regressed"] is False
        assert case["baseline"] == case["value"]
        assert case["evidence"]["baseline_change"] == 0.0
        assert case["evidence"]["baseline_tests"] == len(IDS)
        assert case["evidence"]["minimum_detectable"] >= 0.01
        assert (case["verdict"], case["evidence"]["against_baseline"]) == ("passed", "same")
        assert "identical checkpoint" in case["reason"]
    assert read_json(pytester.path / "report.json")["run"]["baselines"] == {"base": "base.json"}
    result.stdout.fnmatch_lines(["*base against base.json: 5 cases: 5 same"])


def test_a_regression_is_red_on_the_item(pytester: Pytester, based: Path) -> None:
    result = gate_run(pytester, "worse", "--mlff-baseline=base.json", "--junitxml=junit.xml")
    assert result.ret == 1
    result.assert_outcomes(failed=len(IDS))
    for case in cases(pytester).values():
        assert (case["verdict"], case["regressed"]) == ("regressed", True)
        # The threshold alone would have let it pass.
        assert case["value"] <= case["threshold"]
        assert case["evidence"]["baseline_change_low"] > 0.01
        assert "worse than the baseline by" in case["reason"]
    result.stdout.fnmatch_lines(["*regressed: worse than the baseline*", "*baseline*meV/atom*"])


def test_another_seed_of_the_same_quality_is_undecided_and_never_green(
    pytester: Pytester,
    based: Path,
) -> None:
    """300 frames do not show that a model is within 1 %: neither a pass nor, by default, a no."""
    result = gate_run(pytester, "reseeded", "--mlff-baseline=base.json", "--junitxml=junit.xml")
    assert result.ret == 0
    result.assert_outcomes(skipped=len(IDS))
    for case in cases(pytester).values():
        assert (case["verdict"], case["regressed"]) == ("undecided", None)
        assert case["value"] != case["baseline"]
        assert case["evidence"]["baseline_change_low"] < 0.01
        assert case["evidence"]["baseline_change_high"] > 0.01
        assert "undecided against the baseline" in case["reason"]
    result.stdout.fnmatch_lines(["*5 cases: 5 undecided*", "*a regression would go unseen*"])
    assert (pytester.path / "junit.xml").read_text().count("<skipped") == len(IDS)
    blocked = gate_run(pytester, "reseeded", "--mlff-baseline=base.json", "--mlff-undecided=fail")
    assert blocked.ret == 1
    blocked.assert_outcomes(failed=len(IDS))
    assert {case["verdict"] for case in cases(pytester).values()} == {"undecided"}
    pytester.makeini("[pytest]\nmlff_undecided = fail\n")
    assert gate_run(pytester, "reseeded", "--mlff-baseline=base.json").ret == 1


def test_a_better_model_is_green_and_shows_the_change(pytester: Pytester, based: Path) -> None:
    result = gate_run(pytester, "better", "--mlff-baseline=base.json", "-v")
    assert result.ret == 0
    found = cases(pytester)[FORCE]
    assert found["evidence"]["against_baseline"] == "better"
    change = f"{100 * (found['value'] / found['baseline'] - 1):+.1f} % better"
    result.stdout.fnmatch_lines(["case*threshold*unit*baseline*verdict", f"*force_mae *{change}*"])
    result.stdout.fnmatch_lines(["*tighten the baseline*--mlff-update-baseline"])


def test_without_a_baseline_there_is_no_such_column(pytester: Pytester) -> None:
    gated_repo(pytester)
    result = gate_run(pytester, "base")
    result.stdout.no_fnmatch_line("case*baseline*verdict")
    assert {case["regressed"] for case in cases(pytester).values()} == {None}


def test_two_workers_say_the_same(pytester: Pytester, based: Path) -> None:
    pytest.importorskip("xdist")
    gate_run(pytester, "slightly_worse", "--mlff-baseline=base.json")
    alone = cases(pytester)
    assert {case["verdict"] for case in alone.values()} == {"regressed", "undecided"}
    result = gate_run(pytester, "slightly_worse", "--mlff-baseline=base.json", "-n2")
    assert result.ret == 1
    for name, case in cases(pytester).items():
        assert {**case, "seconds": 0} == {**alone[name], "seconds": 0}


def test_a_case_alone_gets_the_verdict_it_gets_among_all(pytester: Pytester, based: Path) -> None:
    gate_run(pytester, "slightly_worse", "--mlff-baseline=base.json")
    together = cases(pytester)
    for name in (ENERGY, OXYGEN):
        word = name.rsplit("/", 1)[1]
        gate_run(pytester, "slightly_worse", "--mlff-baseline=base.json", "-k", word)
        (case,) = cases(pytester).values()
        assert case["evidence"] == together[name]["evidence"]
        assert (case["verdict"], case["reason"]) == (
            together[name]["verdict"],
            together[name]["reason"],
        )


def test_too_few_frames_are_undecided_unless_the_value_is_far_off(pytester: Pytester) -> None:
    _base(pytester, SPEC.replace("start: 85", "start: 99"))
    result = gate_run(pytester, "worse", "--mlff-baseline=base.json")
    assert result.ret == 1
    for case in cases(pytester).values():
        assert case["regressed"] is None
        far = case["evidence"]["baseline_change"] > 0.2
        assert case["verdict"] == ("regressed" if far else "undecided")
        assert "20 frames are too few: at least 31" in case["reason"]
        assert "minimum_detectable" not in case["evidence"]
    result.stdout.fnmatch_lines(["*% ?: cannot be told*", "*5 undecided*", "*nothing could be*"])


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("start: 85", "start: 80", "test data (digest)"),
        ("variant:", "seed: 3\nvariant:", "spec (digest)"),
        (None, "--mlff-dtype=float32", "dtype"),
    ],
)
def test_what_cannot_be_compared_is_an_error_and_never_green(
    pytester: Pytester, old: str | None, new: str, words: str
) -> None:
    root = gated_repo(pytester)
    model = "base" if old else "typed"
    assert gate_run(pytester, model, report="base.json").ret == 0
    more = [] if old else [new]
    if old:
        (root / "specs" / "small.yaml").write_text(SPEC.replace(old, new))
    result = gate_run(pytester, model, "--mlff-baseline=base.json", *more)
    assert result.ret == 1
    for case in cases(pytester).values():
        assert case["verdict"] == "error"
        assert (case["regressed"], case["baseline"]) == (None, None)
        assert words in case["reason"]
        assert "base.json" in case["reason"]


def test_new_cases_and_orphans_are_said_aloud(pytester: Pytester, based: Path) -> None:
    text = (based / "specs" / "small.yaml").read_text()
    (based / "specs" / "small.yaml").write_text(
        text.replace("metric: energy_mae", "metric: energy_rmse")
    )
    result = gate_run(pytester, "base", "--mlff-baseline=base.json")
    assert result.ret == 0
    found = cases(pytester)["specs/small/ethanol/energy_rmse"]
    assert (found["baseline"], found["regressed"]) == (None, None)
    assert "does not know this case" in found["reason"]
    result.stdout.fnmatch_lines(
        [
            "*not in *base.json: specs/small/ethanol/energy_rmse",
            "*entries that no case has any more: specs/small/ethanol/energy_mae",
        ]
    )


def test_deselected_cases_are_no_orphans(pytester: Pytester, based: Path) -> None:
    result = gate_run(pytester, "base", "--mlff-baseline=base.json", "-k", "energy")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*no case has any more*")


def test_nothing_in_common_is_said_aloud(pytester: Pytester, based: Path) -> None:
    (based / "specs" / "small.yaml").rename(based / "specs" / "other.yaml")
    result = pytester.runpytest_inprocess(
        "--mlff-model=gated.py:worse", "--mlff-suite=specs/other.yaml", "--mlff-baseline=base.json"
    )
    result.stdout.fnmatch_lines(
        ["*nothing could be told*", "*entries of specs outside of this run: specs/small"]
    )


def test_a_graver_verdict_stands(pytester: Pytester, based: Path) -> None:
    (based / "specs" / "small.yaml").write_text(
        SPEC.replace("max: 100, unit: meV/Å", "max: 1, unit: meV/Å")
    )
    gate_run(pytester, "worse", "--mlff-baseline=base.json")
    found = cases(pytester)
    assert found[ENERGY]["verdict"] == "regressed"
    assert (found[FORCE]["verdict"], found[FORCE]["regressed"]) == ("failed", True)
    assert "threshold" in found[FORCE]["reason"]
    assert "worse than the baseline" in found[FORCE]["reason"]
    gate_run(pytester, "blind", "--mlff-baseline=base.json")
    found = cases(pytester)
    assert (found[FORCE]["verdict"], found[FORCE]["regressed"]) == ("error", None)


def test_what_was_supported_may_not_become_unsupported(pytester: Pytester) -> None:
    spec = SPEC.replace("[ethanol]", "[ethanol, uracil]").replace("max: 100", "max: 1.0e6")
    root = gated_repo(pytester, spec)
    # One answers for any molecule, the other knows no nitrogen.
    level = "--mlff-level=GFN2-xTB"
    assert gate_run(pytester, "base", level, report="base.json").ret == 0
    document = json.loads((root / "base.json").read_text())
    assert "specs/small/uracil/force_mae" in document["residuals"]["models"]["base"]
    result = gate_run(
        pytester, "without_nitrogen", level, "--mlff-baseline=base.json", "-k", "uracil"
    )
    assert result.ret == 1
    found = cases(pytester)["specs/small/uracil/force_mae"]
    assert found["verdict"] == "error"
    assert "so it was supported" in found["reason"]
    assert "does not know N" in found["reason"]


def test_a_second_model_of_the_run_as_baseline(pytester: Pytester) -> None:
    gated_repo(pytester)
    result = gate_run(
        pytester, "worse", "--mlff-model=gated.py:base", "--mlff-baseline=gated.py:base"
    )
    assert result.ret == 1
    report = read_json(pytester.path / "report.json")
    verdicts = {(case["model"], case["verdict"], case["regressed"]) for case in report["cases"]}
    assert verdicts == {("worse", "regressed", True), ("base", "passed", None)}
    assert report["run"]["baselines"] == {"worse": "base"}


def test_a_folder_holds_one_baseline_for_each_model(pytester: Pytester) -> None:
    gated_repo(pytester)
    both = ("--mlff-model=gated.py:base", "--mlff-baseline=kept")
    assert gate_run(pytester, "worse", *both, "--mlff-update-baseline").ret == 0
    assert {one.name for one in (pytester.path / "kept").glob("*.json")} == {
        "worse.json",
        "base.json",
    }
    assert gate_run(pytester, "worse", *both).ret == 0
    assert {case["regressed"] for case in cases(pytester).values()} == {False}
    line = only_line(gate_run(pytester, "better", "--mlff-baseline=kept"))
    assert "holds no better.json" in line
    assert "base.json, worse.json" in line


@pytest.mark.parametrize("how", ["missing", "truncated", "newer", "sidecar missing",
                                 "sidecar changed", "no values", "edited"])  # fmt: skip
def test_a_bad_baseline_is_one_line_before_anything_runs(
    pytester: Pytester, based: Path, how: str
) -> None:
    path, sidecar = based / "base.json", based / "base.residuals.npz"
    text = path.read_text()
    word = "base.json"
    match how:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_text(text[: len(text) // 2])
        case "newer":
            path.write_text(text.replace('"schema_version": 1', '"schema_version": 2'))
            word = "upgrade"
        case "sidecar missing":
            sidecar.unlink()
            word = "base.residuals.npz"
        case "sidecar changed":
            sidecar.write_bytes(sidecar.read_bytes()[:-1] + b"x")
            word = "another digest"
        case "no values":
            path.write_text(json.dumps({**json.loads(text), "residuals": None}))
            word = "no per-frame values"
        case "edited":
            document = json.loads(text)
            document["residuals"]["models"]["base"][FORCE]["series"]["scale"] *= 2.0
            path.write_text(json.dumps(document))
            word = "was changed after it was written"
    result = gate_run(pytester, "base", "--mlff-baseline=base.json")
    assert word in only_line(result)
    assert not (based / "report.json").exists()


@pytest.mark.slow
def test_real_checkpoints(pytester: Pytester) -> None:
    """Fewer steps and perturbed weights are red; the same model and another seed are green."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("nequip")
    from support.tiny_nequip import embedded_frames, train

    root = gated_repo(pytester, SPEC.replace("max: 100", "max: 1.0e6"))
    frames = embedded_frames("ethanol", 150)

    def trained(name: str, seed: int, epochs: int) -> None:
        made = train(root / f"of_{name}", frames, n_train=140, seed=seed, epochs=epochs)
        (root / f"{name}.ckpt").write_bytes(made.read_bytes())

    trained("base", 1, 15)
    trained("reseeded", 2, 15)
    trained("fewer_steps", 1, 5)
    content = torch.load(root / "base.ckpt", weights_only=False, map_location="cpu")
    torch.manual_seed(0)
    for name, weights in content["state_dict"].items():
        if "ema_weight" in name and weights.is_floating_point() and weights.numel() > 1:
            weights.add_(0.03 * weights.std() * torch.randn_like(weights))
    torch.save(content, root / "perturbed.ckpt")

    update = ("--mlff-baseline=baselines/base.json", "--mlff-update-baseline")
    assert gate_run(pytester, "base.ckpt", *update, report="base.json").ret == 0
    for name, status in (("base", 0), ("reseeded", 0), ("fewer_steps", 1), ("perturbed", 1)):
        for baseline in ("base.json", "baselines/base.json"):
            result = gate_run(pytester, f"{name}.ckpt", f"--mlff-baseline={baseline}")
            assert result.ret == status, (name, baseline)
            found = list(cases(pytester).values())
            assert ("regressed" in [case["verdict"] for case in found]) == bool(status)
            # Green means tested and not found, not that nothing could be told.
            assert bool(status) in [case["regressed"] for case in found]
