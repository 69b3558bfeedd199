"""``mlff init``: what it writes, what it says before, and what it refuses to touch."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.github_steps import read_workflow
from support.repos import load_species

import pytest_mlff
from pytest_mlff.cli import init
from pytest_mlff.cli.init_files import Planned, write_all
from pytest_mlff.cli.init_frames import MOLECULES
from pytest_mlff.cli.init_measure import Measured
from pytest_mlff.cli.main import main
from pytest_mlff.errors import MlffError
from pytest_mlff.gate.baseline import load_baseline
from pytest_mlff.specs import Spec, cases_of, expand, load_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

SUPPORT = Path(__file__).parents[1] / "support"
SOURCE = "model.py:make"
WRITTEN = {".github/workflows/mlff.yml", "specs/first.yaml"}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model repository with a cheap model in it."""
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "model.py").write_text((SUPPORT / "pair_model.py").read_text(encoding="utf-8"))
    monkeypatch.chdir(folder)
    git(folder, "init", "-q", "-b", "trunk")
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], cwd=folder, check=True
    )


def tree(folder: Path) -> dict[str, str]:
    """Every file with its digest, git's own left out."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must end with one line and code 4; the line."""
    assert main(["init", *arguments]) == 4
    lines = [line for line in capsys.readouterr().err.splitlines() if "measuring" not in line]
    assert len(lines) == 1
    return lines[0]


# What is written


def test_everything_is_written_and_in_order(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(repo)
    assert main(["init", "--model", SOURCE, "--yes"]) == 0
    shown = capsys.readouterr().out
    new = set(tree(repo)) - set(before)
    baselines = {name for name in new if name.startswith("baselines/")}
    assert new - baselines == WRITTEN
    assert {Path(name).suffix for name in baselines} == {".json", ".npz"}
    assert len(baselines) == 2
    for name in new:
        assert re.search(rf"^new +{re.escape(name)} ", shown, re.MULTILINE), shown
    assert {name: tree(repo)[name] for name in before} == before

    spec = load_spec(repo / "specs" / "first.yaml")
    accuracy, laws = spec.cases[:2], spec.cases[2:]
    assert [case.metric for case in accuracy] == ["energy_mae", "force_mae"]
    assert [case.metric for case in laws] == ["rotation", "force_consistency"]
    for case in accuracy:
        for threshold in case.thresholds:
            why = threshold.provenance
            assert (why.source, why.frames, why.seeds) == ("own_baseline", 600, 1)
            assert "1.3 times" in why.reference
        assert case.thresholds[0].by == ("system",)
    (name,) = (name for name in baselines if name.endswith(".json"))
    baseline = load_baseline(repo / name)
    values = {case: entry.record.value for case, entry in baseline.cases.items()}
    pooled = {f"specs/first/pooled/{metric}" for metric in ("energy_mae", "force_mae")}
    assert set(values) - pooled == {
        f"specs/first/{molecule}/{metric}"
        for molecule in MOLECULES
        for metric in (
            "energy_mae", "force_mae", "force_mae[C]", "force_mae[H]", "force_mae[O]",
            *(["force_mae[N]"] if molecule == "uracil" else []),
        )
    }  # fmt: skip
    limits = {
        case.case_id: case.threshold.limit
        for variant in expand(spec)
        for case in cases_of(variant, load_species(variant.id))
        if case.threshold is not None
    }
    assert pooled <= set(values)
    for case in set(values) - pooled:
        value = values[case]
        # One number of each molecule and species, rounded up to two digits.
        assert 1.3 * value * (1 - 1e-9) <= limits[case] < 1.3 * value * 1.1 + 0.001

    gate = read_workflow(repo / ".github" / "workflows" / "mlff.yml")["jobs"]["gate"]
    assert gate["env"] == {
        "MLFF_MODEL": SOURCE,
        "MLFF_SUITE": "specs/first.yaml",
        "MLFF_BASELINE": name,
        "MLFF_REQUIREMENT": f"pytest-mlff[report]=={pytest_mlff.__version__}",
        "MLFF_JUDGE": "base",
    }
    on = read_workflow(repo / ".github" / "workflows" / "mlff.yml")["on"]
    assert on["push"]["branches"] == ["trunk"]
    # The model is not committed, and a workflow sees only what is.
    assert "note: model.py is not in git" in shown
    assert "note: there is no requirements.txt" in shown
    assert "mlff_model = model.py:make" in shown


@pytest.mark.slow
def test_a_dry_run_shows_everything_and_leaves_nothing(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(repo)
    assert main(["init", "--model", SOURCE, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert tree(repo) == before
    assert not any(path.is_dir() and path.name != ".git" for path in repo.iterdir())
    assert "    name: mlff\n" in shown
    assert "    schema_version: 1\n" in shown
    assert '"kind": "mlff-baseline"' in shown
    assert shown.endswith("nothing was written (--dry-run)\n")


def test_it_asks_and_takes_no_for_an_answer(
    repo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["", "n", "y"])
    asked: list[str] = []

    def ask(question: str) -> str:
        # Everything has been shown by the time of the question.
        asked.append(question + capsys.readouterr().out)
        return next(answers)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr(init, "measure", lambda *_: Measured(None, "not now"))
    before = tree(repo)
    for _ in range(2):
        assert main(["init", "--model", SOURCE]) == 1
        assert tree(repo) == before
    assert main(["init", "--model", SOURCE]) == 0
    assert set(tree(repo)) - set(before) == WRITTEN
    assert all("specs/first.yaml" in text and "[y/N]" in text for text in asked)


# Files that are there


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "measure", lambda *_: Measured(None, "not now"))


@pytest.mark.usefixtures("unmeasured")
class TestFiles:
    def test_nobody_to_ask(self, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = tree(repo)
        assert "--yes" in refused(capsys, "--model", SOURCE)
        assert tree(repo) == before

    def test_what_differs_is_shown_and_kept(
        self, repo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["init", "--model", SOURCE, "--yes"]) == 0
        spec = repo / "specs" / "first.yaml"
        spec.write_text(spec.read_text(encoding="utf-8").replace("examples: 5", "examples: 9"))
        capsys.readouterr()
        before = tree(repo)
        assert main(["init", "--model", SOURCE, "--yes"]) == 4
        captured = capsys.readouterr()
        assert "unchanged  .github/workflows/mlff.yml" in captured.out
        assert "    -    options: {examples: 9}\n    +    options: {examples: 5}" in captured.out
        assert "specs/first.yaml is there already" in captured.err
        assert tree(repo) == before
        assert main(["init", "--model", SOURCE, "--yes", "--force"]) == 0
        assert "examples: 5" in spec.read_text(encoding="utf-8")

    def test_twice_is_once(self, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["init", "--model", SOURCE, "--yes"]) == 0
        before = tree(repo)
        assert main(["init", "--model", SOURCE]) == 0
        assert "nothing to do" in capsys.readouterr().out
        assert tree(repo) == before

    @pytest.mark.parametrize("link", [".github", ".github/workflows", "specs"])
    def test_no_way_out_by_a_link_to_a_folder(
        self, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], link: str
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (repo / link).parent.mkdir(exist_ok=True)
        (repo / link).symlink_to(outside)
        for arguments in (["--yes"], ["--yes", "--force"], ["--dry-run"]):
            line = refused(capsys, "--model", SOURCE, *arguments)
            assert f"{repo / link}: is a symbolic link" in line
        assert not list(outside.iterdir())

    def test_no_way_out_by_a_link_to_a_file(
        self, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "precious").write_text("mine")
        (repo / "specs").mkdir()
        (repo / "specs" / "first.yaml").symlink_to(tmp_path / "precious")
        assert "is a symbolic link" in refused(capsys, "--model", SOURCE, "--yes", "--force")
        (repo / "specs" / "first.yaml").unlink()
        (repo / "specs" / "first.yaml").symlink_to(tmp_path / "not-there-yet")
        assert "is a symbolic link" in refused(capsys, "--model", SOURCE, "--yes", "--force")
        assert (tmp_path / "precious").read_text() == "mine"
        assert not (tmp_path / "not-there-yet").exists()

    def test_a_folder_in_the_way(self, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (repo / "specs" / "first.yaml").mkdir(parents=True)
        assert "is a folder" in refused(capsys, "--model", SOURCE, "--yes")

    def test_a_file_in_the_way(self, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (repo / "specs").write_text("no folder")
        assert "is no folder" in refused(capsys, "--model", SOURCE, "--yes")

    @pytest.mark.parametrize(
        "arguments, said",
        [
            (["no-such-folder"], "no such folder"),
            (["model.py"], "is no folder"),
            (["--model", "best.ckpt"], "no such checkpoint"),
            (["--model", "absent.py:make"], "no such file"),
            (["--model", "model.py:ma ke"], "not the name of a callable"),
            (["--model", "../outside.py:make"], "lies outside"),
            (["--model", "/OUTSIDE/outside.py:make"], "lies outside"),
            (["--model", "link.py:make"], "lies outside"),
            (["--model", "a\nb.ckpt"], "cannot stand in a workflow"),
            (["--model", "${{ secrets.KEY }}"], "cannot stand in a workflow"),
            (["--requirement", "x ${{ secrets.KEY }}"], "cannot stand in a workflow"),
        ],
    )
    def test_bad_input_is_one_line(
        self, repo: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], said: str
    ) -> None:
        (repo.parent / "outside.py").write_text("def make(): ...")
        (repo / "link.py").symlink_to(repo.parent / "outside.py")
        before = tree(repo)
        given = [word.replace("/OUTSIDE", str(repo.parent)) for word in arguments]
        assert said in refused(capsys, "--yes", *given)
        assert tree(repo) == before

    def test_an_absolute_path_becomes_one_of_the_repository(self, repo: Path) -> None:
        assert main(["init", "--model", f"{repo / 'model.py'}:make", "--yes"]) == 0
        gate = read_workflow(repo / ".github" / "workflows" / "mlff.yml")["jobs"]["gate"]
        assert gate["env"]["MLFF_MODEL"] == SOURCE

    @pytest.mark.parametrize(
        "name", ["it's: #1.ckpt", '"quoted" [a].ckpt', "@SUITE@.ckpt", "ö\\u.ckpt", "- a: b.ckpt"]
    )
    def test_any_name_is_written_as_it_is(self, repo: Path, name: str) -> None:
        (repo / name).write_bytes(b"x")
        assert main(["init", "--model", name, "--yes"]) == 0
        gate = read_workflow(repo / ".github" / "workflows" / "mlff.yml")["jobs"]["gate"]
        assert gate["env"]["MLFF_MODEL"] == name
        assert isinstance(load_spec(repo / "specs" / "first.yaml"), Spec)

    def test_a_model_that_cannot_be_measured(
        self, repo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["init", "--model", SOURCE, "--yes"]) == 0
        assert "could not be measured (not now)" in capsys.readouterr().out
        spec = load_spec(repo / "specs" / "first.yaml")
        assert [case.metric for case in spec.cases] == ["rotation", "force_consistency"]
        gate = read_workflow(repo / ".github" / "workflows" / "mlff.yml")["jobs"]["gate"]
        assert gate["env"]["MLFF_BASELINE"] == ""
        assert not (repo / "baselines").exists()

    def test_a_folder_within_a_repository(
        self, repo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (repo / "inner").mkdir()
        assert main(["init", "inner", "--yes"]) == 0
        assert "in the root of a repository only" in capsys.readouterr().out
        assert set(tree(repo / "inner")) == WRITTEN


def test_a_broken_model_is_said_in_its_own_words(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / "broken.ckpt").write_bytes(b"no checkpoint at all")
    assert main(["init", "--model", "broken.ckpt", "--dry-run"]) == 0
    (line,) = (x for x in capsys.readouterr().out.splitlines() if "could not be measured" in x)
    assert "broken.ckpt" in line


def test_a_full_disk_says_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_mlff.cli import init_files

    written: list[str] = []

    def write(path: Path, content: bytes) -> None:
        if written:
            raise OSError(28, "No space left on device")
        written.append(path.name)
        path.write_bytes(content)

    monkeypatch.setattr(init_files, "write_atomically", write)
    files = [Planned(tmp_path, name, b"x") for name in ("a", "b")]
    with pytest.raises(MlffError, match=r"b: cannot be written \(No space left.*written so far: a"):
        write_all(files)
