"""The workflow that ``mlff init`` writes, and the action, run step by step as on GitHub.

Actions of others are not run: their inputs are looked at, and what a checkout would do is
done by git. Installing is not done either; the text of that step is held instead.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.github_repos import commit, empty_repository, git, workflow
from support.github_steps import Done, Machine, read_workflow

from pytest_mlff.cli.main import main

SUPPORT = Path(__file__).parents[1] / "support"
ROOT = Path(__file__).parents[2]
INSTALL_ACTION = (
    'python -m pip install "$MLFF_ACTION[report${MLFF_EXTRAS:+,$MLFF_EXTRAS}]" '
    '${MLFF_REQUIREMENTS:+-r "$MLFF_REQUIREMENTS"}'
)


def codes(done: dict[str, Done]) -> dict[str, int | None]:
    names = ("Base branch", "This branch", "This branch against the stored baseline")
    return {name: done[name].code for name in names}


def cases(workspace: Path, name: str) -> list[dict[str, Any]]:
    report = json.loads((workspace / "mlff-reports" / name).read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = report["cases"]
    return found


def accuracy(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [case for case in found if case["metric"] in ("energy_mae", "force_mae")]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository with a cheap model, in which ``mlff init`` was run; its first commit."""
    repo = empty_repository(tmp_path_factory.mktemp("pairs") / "repo")
    text = (SUPPORT / "pair_model.py").read_text(encoding="utf-8")
    (repo / "model.py").write_text(text, encoding="utf-8")
    assert main(["init", str(repo), "--model", "model.py:make", "--yes"]) == 0
    return repo, commit(repo, "mlff init")


def worsened(repo: Path, base: str, worse: float, branch: str) -> str:
    """A commit on top of the base whose model lacks a share of its energy."""
    git(repo, "checkout", "-q", "-B", branch, base)
    text = (repo / "model.py").read_text(encoding="utf-8")
    assert "WORSE = 0.0" in text
    (repo / "model.py").write_text(text.replace("WORSE = 0.0", f"WORSE = {worse}"))
    return commit(repo, f"lose {worse}")


@pytest.mark.slow
def test_the_same_model_is_green(pairs: tuple[Path, str], tmp_path: Path) -> None:
    repo, base = pairs
    git(repo, "checkout", "-q", "-B", "docs", base)
    (repo / "README.md").write_text("Nothing about the model.")
    head = commit(repo, "readme")
    done = workflow(repo, tmp_path / "w", "pull_request", base, head)
    assert set(codes(done).values()) == {0}, done["This branch"].output
    for name in ("mlff.json", "stored.json"):
        compared = accuracy(cases(tmp_path / "w", name))
        pooled = sum(case["variant"] == "pooled" for case in compared)
        assert (len(compared) - pooled, pooled) == (16, 2)
        # Where frames are too few to tell, it is said, and is no reason to be red.
        assert {case["regressed"] for case in compared} in ({False}, {False, None})
        for case in compared:
            assert case["baseline"] == pytest.approx(case["value"], rel=1e-9)
    begin, end = done["Base branch"].commands
    assert end == f"::{begin.removeprefix('::stop-commands::')}::"
    assert done["Base branch"].summary == ""
    assert (tmp_path / "w" / "mlff-reports" / "junit.xml").is_file()
    # The checkout is left as it was, but for what the workflow makes.
    new = git(tmp_path / "w", "status", "--porcelain", "--ignored").splitlines()
    assert {line[3:].rstrip("/") for line in new} - {"__pycache__", ".pytest_cache"} <= {
        ".mlff-base", ".mlff-store", "mlff-reports", ".hypothesis"
    }  # fmt: skip


@pytest.mark.slow
def test_within_the_thresholds_but_worse_than_the_base_is_red(
    pairs: tuple[Path, str], tmp_path: Path
) -> None:
    repo, base = pairs
    head = worsened(repo, base, 0.05, "worse")
    done = workflow(repo, tmp_path / "w", "pull_request", base, head)
    assert codes(done) == {
        "Base branch": 0, "This branch": 1, "This branch against the stored baseline": 1
    }, done["This branch"].output  # fmt: skip
    for name in ("mlff.json", "stored.json"):
        found = cases(tmp_path / "w", name)
        # None is over its threshold; what is undecided and far worse fails by the spec's bound.
        assert all(c["threshold"] is None or c["value"] <= c["threshold"] for c in found)
        red = [case for case in found if case["verdict"] == "regressed"]
        assert red
        for case in red:
            assert case["value"] > 1.01 * case["baseline"]


@pytest.mark.slow
def test_over_the_thresholds_is_red_with_and_without_a_base(
    pairs: tuple[Path, str], tmp_path: Path
) -> None:
    repo, base = pairs
    head = worsened(repo, base, 0.6, "bad")
    git(repo, "checkout", "-q", head)
    done = workflow(repo, tmp_path / "push", "push", head=head)
    assert codes(done) == {
        "Base branch": None, "This branch": 1, "This branch against the stored baseline": None
    }  # fmt: skip
    failed = [case for case in cases(tmp_path / "push", "mlff.json") if case["verdict"] == "failed"]
    assert failed
    assert all(case["value"] > case["threshold"] for case in failed)
    # Once merged, the bad model is the base: equally bad is no regression, and still not good.
    git(repo, "checkout", "-q", "-B", "after", head)
    (repo / "README.md").write_text("Nothing about the model.")
    after = commit(repo, "readme")
    done = workflow(repo, tmp_path / "after", "pull_request", head, after)
    assert codes(done)["Base branch"] == 0
    assert codes(done)["This branch"] == 1
    found = accuracy(cases(tmp_path / "after", "mlff.json"))
    assert {case["verdict"] for case in found} == {"failed", "passed"}
    assert not any(case["regressed"] for case in found)


@pytest.mark.slow
def test_a_base_without_the_model_is_said(pairs: tuple[Path, str], tmp_path: Path) -> None:
    repo, base = pairs
    git(repo, "checkout", "-q", "--orphan", "empty", base)
    git(repo, "rm", "-q", "-r", "-f", ".")
    (repo / "README.md").write_text("A model is to come.")
    empty = commit(repo, "begin")
    git(repo, "checkout", "-q", base)
    done = workflow(repo, tmp_path / "w", "pull_request", empty, base)
    assert codes(done) == {
        "Base branch": 0, "This branch": 0, "This branch against the stored baseline": None
    }  # fmt: skip
    said = done["Base branch"].commands[-1]
    assert said.startswith("::warning title=mlff::The base branch has no model")
    # Nobody but the request could judge itself: a maintainer has to take its word.
    assert "**no judge**" in done["What this branch changes in its judge"].summary
    assert done["Changes in the judge wait for a maintainer"].code == 1
    # Not with the base, but with the stored baseline it is compared.
    assert all(case["baseline"] for case in accuracy(cases(tmp_path / "w", "mlff.json")))


@pytest.mark.slow
def test_a_lost_baseline_is_red(pairs: tuple[Path, str], tmp_path: Path) -> None:
    repo, base = pairs
    git(repo, "checkout", "-q", "-B", "lost", base)
    git(repo, "rm", "-q", "-r", "baselines")
    head = commit(repo, "lose the baseline")
    done = workflow(repo, tmp_path / "w", "pull_request", base, head)
    assert codes(done) == {
        "Base branch": 0, "This branch": 0, "This branch against the stored baseline": 0
    }  # fmt: skip
    # That of the base branch is there; that it is to go is for a maintainer to say.
    assert "is gone" in done["What this branch changes in its judge"].summary
    assert done["Changes in the judge wait for a maintainer"].code == 1


@pytest.mark.slow
def test_what_github_is_told(pairs: tuple[Path, str], tmp_path: Path) -> None:
    repo, base = pairs
    head = worsened(repo, base, 0.6, "told")
    done = workflow(repo, tmp_path / "w", "pull_request", base, head)["This branch"]
    (error,) = [line for line in done.commands if line.startswith("::error")]
    line = re.match(r"::error file=specs/first\.yaml,line=(\d+),title=specs/first%3A ", error)
    assert line is not None, error
    spec = (repo / "specs" / "first.yaml").read_text(encoding="utf-8").splitlines()
    assert spec[int(line[1]) - 1].startswith("  - metric: ")
    assert done.summary.startswith("## May this force field be merged? No.")


# The demo model, as the issue has it: an empty repository, then green; perturbed, then red.

PERTURBED = """\
import torch
from nequip.ase import NequIPCalculator

from pytest_mlff.potentials.loading import DEMO_MODEL


class Perturbed(NequIPCalculator):
    def calculate(self, *arguments, **settings):
        super().calculate(*arguments, **settings)
        self.results["forces"] = self.results["forces"] * FACTOR


FACTOR = 1.0
NOISE = 0.0


def make():
    made = Perturbed._from_saved_model(str(DEMO_MODEL), device="cpu")
    random = torch.Generator().manual_seed(0)
    for weights in made.model.parameters():
        if weights.numel() > 1:
            noise = torch.randn(weights.shape, generator=random, dtype=weights.dtype)
            weights.data.add_(NOISE * weights.data.std() * noise)
    return made
"""


@pytest.mark.slow
def test_an_empty_repository_with_the_demo_model(tmp_path: Path) -> None:
    pytest.importorskip("nequip")
    repo = empty_repository(tmp_path / "repo")
    assert main(["init", str(repo), "--model", "demo", "--yes"]) == 0
    assert sorted(path.name for path in repo.iterdir() if path.name != ".git") == [
        ".github", "baselines", "specs"
    ]  # fmt: skip
    commit(repo, "mlff init")
    done = workflow(repo, tmp_path / "push", "push")
    assert codes(done)["This branch"] == 0, done["This branch"].output
    found = cases(tmp_path / "push", "mlff.json")
    assert {case["verdict"] for case in found} == {"passed"}
    for case in accuracy(found):
        assert case["baseline"] == pytest.approx(case["value"], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault, energies, broken",
    [
        # The energies are the same, so forces are no longer their gradient.
        ("FACTOR = 1.02", {"passed"}, {"force_consistency"}),
        # Other weights are another model, and as good a one for physics.
        ("NOISE = 0.05", {"failed"}, set()),
    ],
)
def test_the_demo_model_perturbed(
    tmp_path: Path, fault: str, energies: set[str], broken: set[str]
) -> None:
    pytest.importorskip("nequip")
    repo = empty_repository(tmp_path / "repo")
    (repo / "model.py").write_text(PERTURBED, encoding="utf-8")
    assert main(["init", str(repo), "--model", "model.py:make", "--yes"]) == 0
    base = commit(repo, "mlff init")
    sound = f"{fault.partition(' = ')[0]} = {'1.0' if 'FACTOR' in fault else '0.0'}"
    assert sound in PERTURBED
    (repo / "model.py").write_text(PERTURBED.replace(sound, fault))
    head = commit(repo, fault)
    done = workflow(repo, tmp_path / "w", "pull_request", base, head)
    assert codes(done) == {
        "Base branch": 0, "This branch": 1, "This branch against the stored baseline": 1
    }, done["This branch"].output  # fmt: skip
    base_report = cases(tmp_path / "w", "base.json")
    # Pooled cases have no threshold: without a baseline they are reported.
    judged = [case for case in base_report if case["variant"] != "pooled"]
    assert {case["verdict"] for case in judged} == {"passed"}
    verdicts: dict[str, set[str]] = {}
    for case in cases(tmp_path / "w", "mlff.json"):
        if case["variant"] != "pooled":
            verdicts.setdefault(case["metric"], set()).add(case["verdict"])
    worse = [case for case in cases(tmp_path / "w", "mlff.json") if case["regressed"]]
    assert "force_mae" in {case["metric"] for case in worse}
    assert verdicts["energy_mae"] == energies
    laws = {name for name in ("rotation", "force_consistency") if verdicts[name] != {"passed"}}
    assert laws == broken
    summary = done["This branch"].summary
    assert summary.startswith("## May this force field be merged? No.")
    assert "Against the baseline" in summary
    spec = (repo / "specs" / "first.yaml").read_text(encoding="utf-8").splitlines()
    (told,) = [line for line in done["This branch"].commands if line.startswith("::error")]
    line = re.match(r"::error file=specs/first\.yaml,line=(\d+),", told)
    assert line is not None, told
    assert spec[int(line[1]) - 1].startswith("  - metric: ")


# The action


def action(
    folder: Path, scratch: Path, model: str, *, base: Path | None = None, **inputs: str
) -> tuple[list[Done], dict[str, str], list[dict[str, str]]]:
    """Run the action's steps; what became of them, its outputs, and what was uploaded.

    With a base branch the event is a pull request.
    """
    document = read_workflow(ROOT / "action.yml")
    defaults = {name: str(told.get("default", "")) for name, told in document["inputs"].items()}
    given = {**defaults, "model": model, **{k.replace("_", "-"): v for k, v in inputs.items()}}
    uploads: list[dict[str, str]] = []
    scratch.mkdir()
    machine = Machine(
        workspace=folder,
        scratch=scratch,
        known={
            **{f"inputs.{name}": value for name, value in given.items()},
            "github.action_path": str(ROOT),
            "github.event_name": "pull_request" if base else "push",
            "github.event_name == 'pull_request' && '.mlff-base' || ''": (
                ".mlff-base" if base else ""
            ),
            "github.event.pull_request.base.sha": "base",
            "github.ref_name": "7/merge" if base else "main",
            "github.event.repository.default_branch": "main",
            "runner.os": "Linux",
        },
        uses={
            "actions/checkout": lambda given: shutil.copytree(str(base), folder / given["path"]),
            "actions/setup-python": lambda _: None,
            "actions/cache/restore": lambda _: None,
            "actions/cache/save": lambda _: None,
            "actions/upload-artifact": uploads.append,
        },
        skipped={"Install": INSTALL_ACTION},
    )
    done = machine.run(document["runs"]["steps"], {})
    outputs = {name: machine.value(told["value"]) for name, told in document["outputs"].items()}
    assert re.fullmatch(r"[0-9a-f]{64}", machine.outputs["digest"]["key"])
    return done, {**outputs, "key": machine.outputs["digest"]["key"]}, uploads


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with known models and a spec that is measured in a moment."""
    from support.repos import SPEC

    if not (ROOT / "action.yml").exists():
        pytest.skip("the action is in the repository, not in the installed package")
    folder = tmp_path / "work space"
    (folder / "specs").mkdir(parents=True)
    (folder / "models.py").write_text((SUPPORT / "models.py").read_text(encoding="utf-8"))
    (folder / "specs" / "small.yaml").write_text(SPEC, encoding="utf-8")
    return folder


def test_the_action_on_a_good_and_on_a_bad_model(small: Path, tmp_path: Path) -> None:
    keys = set()
    for model, code, verdict in (("exact", 0, "passed"), ("noisy", 1, "failed")):
        done, outputs, uploads = action(
            small, tmp_path / model, f"models.py:{model}", suite="specs/small.yaml", args="-q\n-x"
        )
        assert {one.name: one.code for one in done}["Test the model"] == code, done
        report = small / "mlff-reports" / "mlff.json"
        assert outputs["verdict"] == verdict
        assert outputs["report"] == str(report)
        assert len(json.loads(report.read_text(encoding="utf-8"))["cases"]) == 5
        assert (small / "mlff-reports" / "mlff.junit.xml").is_file()
        (upload,) = uploads
        assert upload["path"] == f"{small}/mlff-reports/mlff.*"
        keys.add(outputs["key"])
        (small / "models.py").write_text((small / "models.py").read_text() + "\n# changed\n")
    assert len(keys) == 2


@pytest.mark.parametrize(
    "model, inputs, verdict",
    [
        ("", {}, "bad-input"),
        ("models.py:exact", {"report": ""}, "bad-input"),
        ("models.py:exact", {"report": "a.json\nverdict=passed"}, "bad-input"),
        ("models.py:absent", {}, "bad-input"),
        ("models.py:exact", {"args": "-k\nnothing and absent"}, "nothing-run"),
        ("models.py:exact", {"args": "-k\nenergy"}, "undecided"),
        ("models.py:exact", {"args": "--collect-only"}, "no-report"),
        ("models.py:exact", {"args": "--mlff-report=elsewhere.json"}, "no-report"),
    ],
)
def test_bad_inputs_are_red(
    small: Path, tmp_path: Path, model: str, inputs: dict[str, str], verdict: str
) -> None:
    (small / "mlff-reports").mkdir()
    (small / "mlff-reports" / "mlff.json").write_text("an old report")
    settings = {"suite": "specs/small.yaml", **inputs}
    done, outputs, _ = action(small, tmp_path / "runner", model, **settings)
    assert {one.name: one.code for one in done}["Test the model"] not in (0, None)
    assert {one.name: one.code for one in done}["Decide"] == 1
    assert outputs["verdict"] == verdict
    old = outputs["report"] and Path(outputs["report"]).read_text() == "an old report"
    assert not old


@pytest.mark.parametrize(
    "model, edit, accept, verdict",
    [
        ("exact", "max: 50,", "false", "unaccepted"),
        ("exact", "max: 50,", "true", "passed"),
        ("scaled", "max: 1.0e9,", "false", "failed"),
    ],
)
def test_the_base_branch_judges_in_the_action(
    small: Path, tmp_path: Path, model: str, edit: str, accept: str, verdict: str
) -> None:
    base = shutil.copytree(small, tmp_path / "base")
    spec = small / "specs" / "small.yaml"
    text = spec.read_text(encoding="utf-8")
    assert "max: 5," in text
    spec.write_text(text.replace("max: 5,", edit), encoding="utf-8")
    done, outputs, _ = action(
        small, tmp_path / "runner", f"models.py:{model}", base=base,
        suite="specs/small.yaml", accept=accept,
    )  # fmt: skip
    by_name = {one.name: one for one in done}
    assert outputs["verdict"] == verdict
    assert by_name["Decide"].code == int(verdict != "passed")
    summary = by_name["What the pull request changes in its judge"].summary
    assert "**threshold loosened** | <code>specs/small.yaml" in summary
    report = json.loads((small / "mlff-reports" / "mlff.json").read_text(encoding="utf-8"))
    loosened = any(case["threshold"] == 50 for case in report["cases"])
    assert loosened == (accept == "true")


@pytest.mark.parametrize("hostile", ["$(touch owned)", "`touch owned`", "; touch owned;", "' \" *"])
def test_no_input_is_a_command(small: Path, tmp_path: Path, hostile: str) -> None:
    settings = dict.fromkeys(("suite", "baseline", "args", "store"), hostile)
    done, outputs, _ = action(small, tmp_path / "runner", f"models.py:{hostile}", **settings)
    assert {one.name: one.code for one in done}["Test the model"] == 4
    assert outputs["verdict"] == "bad-input"
    assert not list(tmp_path.rglob("owned"))
