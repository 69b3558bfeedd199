"""``mlff init``: a workflow, a first spec and a baseline for a model repository."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlff import __version__
from pytest_mlff.cli.ask import agreed
from pytest_mlff.cli.init_files import Planned, described, write_all
from pytest_mlff.cli.init_frames import constants_of, embedded_ground, own_ground, settings
from pytest_mlff.cli.init_measure import Measured, measure
from pytest_mlff.cli.init_owners import owners_file
from pytest_mlff.cli.init_spec import first_spec, quoted, spec_text
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.cli.init_frames import Ground
    from pytest_mlff.potentials.source import ModelSource

WORKFLOW: Final = ".github/workflows/mlff.yml"
SPEC: Final = "specs/first.yaml"
TEMPLATE: Final = Path(__file__).resolve().parents[1] / "templates" / "init" / "mlff.yml"
_DECLINED: Final = 1


@dataclass(frozen=True)
class WantedGate:
    """What the user asked for.

    Attributes
    ----------
    folder : Path
        The model repository.
    models : tuple of str
        As ``--mlff-model`` takes it; relative paths start from the folder. The first is gated;
        at least two more are the same but for their seed, and only set thresholds.
    data : str or None
        The user's own frames, below the folder; None for embedded ones.
    data_options : tuple of str
        ``KEY=VALUE`` that a spec may say of them.
    requirement : str or None
        What the workflow installs; None for this version and the extra of the model's family.
    owners : str or None
        Who has to review changes of what judges, e.g. ``@org/team``; None for nobody.
    yes, dry_run, force : bool
        Do not ask; do not write; replace files that differ.
    """

    folder: Path
    models: tuple[str, ...] = ("demo",)
    data: str | None = None
    data_options: tuple[str, ...] = ()
    requirement: str | None = None
    owners: str | None = None
    yes: bool = False
    dry_run: bool = False
    force: bool = False


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``init``."""
    parser = subparsers.add_parser(
        "init",
        help="write a workflow, a first spec and a baseline into a model repository",
        description="Measures the model, shows what would be written, asks, and writes.",
    )
    parser.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, default=Path())
    parser.add_argument(
        "--data", metavar="FILE",
        help="your own frames with energies and forces (extxyz, npz, …; a folder or glob, too), "
        "which then judge; without it small molecules that ship with the package",
    )  # fmt: skip
    parser.add_argument(
        "--data-option", metavar="KEY=VALUE", action="append", default=[],
        help="what a spec may say of the file: replica=KEY, independent=true, units=kcal/mol, …",
    )  # fmt: skip
    parser.add_argument(
        "--model", metavar="SOURCE", action="append",
        help="the model, as --mlff-model takes it; paths start from FOLDER (default: demo). Two or "
        "more further ones, trained with other seeds, set thresholds by their spread",
    )  # fmt: skip
    parser.add_argument(
        "--requirement", metavar="REQ", help="what the workflow installs (default: this version)"
    )
    parser.add_argument(
        "--owners", metavar="WHO",
        help="write CODEOWNERS lines: WHO (@org/team) reviews changes of what judges the model",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="write without asking")
    parser.add_argument("--dry-run", action="store_true", help="show everything, write nothing")
    parser.add_argument("--force", action="store_true", help="replace files that differ")
    parser.set_defaults(
        run=lambda given: initialise(
            WantedGate(
                given.folder, tuple(given.model or ["demo"]), given.data, tuple(given.data_option),
                given.requirement, given.owners,
                yes=given.yes, dry_run=given.dry_run, force=given.force,
            )
        )
    )  # fmt: skip


def initialise(wanted: WantedGate) -> int:
    """Show what is to be written, ask, and write it; 1 if the user said no.

    Raises
    ------
    MlffError
        If the folder or the model is not in order, a file differs and ``--force`` was not
        given, or nobody can be asked.
    """
    folder = _folder(wanted.folder)
    models = [_model_within(one, folder) for one in wanted.models]
    model = models[0]
    if len(models) == 2:
        raise MlffError("--model: two seeds have no spread; name one model, or three and more")
    if wanted.data_options and wanted.data is None:
        raise MlffError("--data-option says something of --data, which is not given")
    for name in (WORKFLOW, SPEC):
        _ = Planned(folder, name, b"").before  # a wrong target is told before minutes are spent
    ground = (
        embedded_ground()
        if wanted.data is None
        else own_ground(folder, wanted.data, settings(wanted.data_options))
    )
    print(f"mlff: measuring {model} on {wanted.data or 'embedded frames'} …", file=sys.stderr)
    files, remarks = _prepared(folder, models, ground, wanted.requirement)
    if wanted.owners:
        files.append(owners_file(folder, wanted.owners))
    remarks += _git_remarks(folder, model)
    for file in files:
        print("\n".join(described(file, content=wanted.dry_run)))
    for remark in remarks:
        print(f"note: {remark}")
    if wanted.dry_run:
        print("nothing was written (--dry-run)")
        return 0
    changed = [file for file in files if file.state != "unchanged"]
    if not changed:
        print("nothing to do: every file is as it should be")
        return 0
    differ = [file.name for file in changed if file.state == "differs"]
    if differ and not wanted.force:
        there = f"{', '.join(differ)} {'is' if len(differ) == 1 else 'are'} there already"
        raise MlffError(f"nothing was written: {there} and would change (above); see --force")
    count = len(changed)
    question = f"Write {'this file' if count == 1 else f'these {count} files'}?"
    nobody = "nothing was written: nobody to ask; --yes writes, --dry-run shows more"
    if not wanted.yes and not agreed(question, nobody):
        print("nothing was written")
        return _DECLINED
    write_all(changed)
    print(f"wrote {len(changed)} file{'' if len(changed) == 1 else 's'}; commit them, and then")
    print(_hints(model), end="")
    return 0


def _folder(path: Path) -> Path:
    folder = path.expanduser()
    if not folder.is_dir():
        raise MlffError(f"{folder}: {'is no folder' if folder.exists() else 'no such folder'}")
    return folder.resolve()


def _model_within(text: str, folder: Path) -> str:
    """The source as the workflow will say it: with paths below the repository."""
    from pytest_mlff.potentials.families.registry import family_names
    from pytest_mlff.potentials.source import parse_source

    if not text.isprintable() or "${{" in text:
        raise MlffError(f"model source {text!r} cannot stand in a workflow; rename it")
    path = _path_of(parse_source(text, cwd=folder, families=family_names()), folder)
    if path is None:
        return text
    if not path.resolve().is_relative_to(folder):
        raise MlffError(
            f"model source {text!r} lies outside {folder}: the workflow has the repository alone"
        )
    absolute = str(path)
    if Path(absolute).is_relative_to(folder) and absolute in text:
        return text.replace(absolute, Path(absolute).relative_to(folder).as_posix())
    return text


def _path_of(source: ModelSource, folder: Path) -> Path | None:
    from pytest_mlff.potentials.source import Checkpoint, CheckpointSet, Factory, RecipeFile

    if isinstance(source, Checkpoint | RecipeFile):
        return source.path
    if isinstance(source, CheckpointSet):
        return folder / source.template
    if isinstance(source, Factory) and isinstance(source.module, Path):
        return source.module
    return None


def _prepared(
    folder: Path, models: Sequence[str], ground: Ground, requirement: str | None
) -> tuple[list[Planned], list[str]]:
    """The files, made and tried out in a scratch folder, and what is to be said of them."""
    with tempfile.TemporaryDirectory(prefix="mlff-init-") as made:
        scratch = Path(made)
        # The folder's name is part of the case ids, which the baseline holds.
        spec = scratch / SPEC
        spec.parent.mkdir()
        spec.write_text(spec_text(ground.elsewhere(folder)), encoding="utf-8")
        runs = [measure(folder, model, spec, scratch) for model in models]
        name = _name(models[0], runs[0])
        reports = [run.report for run in runs if run.report is not None]
        lost = next((run for run in runs if run.report is None), None)
        # Laws alone are no gate on the frames that were asked for.
        if lost is not None and (ground.own or len(runs) > 1):
            which = models[runs.index(lost)]
            raise MlffError(f"--model {which}: could not be measured ({lost.problem})")
        problem = "" if lost is None else lost.problem
        constants = constants_of(spec)
        text, remarks = first_spec(name, reports, ground, constants, problem)
        files = [Planned(folder, SPEC, text.encode())]
        baseline = f"baselines/{name}.json"
        if reports:
            tried, _ = first_spec(name, reports, ground.elsewhere(folder), constants)
            spec.write_text(tried, encoding="utf-8")
            files += _baseline(folder, models[0], scratch, baseline, remarks)
        if len(files) == 1:
            baseline = ""
    wants = requirement or _requirement(runs[0])
    workflow = workflow_text(models[0], SPEC, baseline, wants, _branch(folder))
    return [Planned(folder, WORKFLOW, workflow.encode()), *files], [*ground.remarks, *remarks]


def _name(model: str, measured: Measured) -> str:
    named = measured.report.models[0].name if measured.report and measured.report.models else model
    return re.sub(r"[^A-Za-z0-9._-]+", "_", named).strip("._-") or "model"


def _baseline(
    folder: Path, model: str, scratch: Path, name: str, remarks: list[str]
) -> list[Planned]:
    """Run the finished spec, which also makes the baseline."""
    target = scratch / name
    target.parent.mkdir(exist_ok=True)
    arguments = (f"--mlff-baseline={target}", "--mlff-update-baseline")
    final = measure(folder, model, scratch / SPEC, scratch, arguments)
    red = [case for case in final.cases if case.verdict in ("error", "failed", "regressed")]
    remarks += [f"red today: {case.case_id}: {case.reason}" for case in red]
    if not target.is_file():
        remarks.append(f"no baseline could be made: {final.problem or 'no case can be compared'}")
    made = sorted(path for path in target.parent.iterdir() if path.is_file())
    return [
        Planned(folder, path.relative_to(scratch).as_posix(), path.read_bytes()) for path in made
    ]


def _requirement(measured: Measured) -> str:
    from pytest_mlff.potentials.families.registry import installed_adapters

    families = {one.family for one in measured.report.models} if measured.report else set()
    extras = {one.extra for one in installed_adapters() if one.family in families}
    # The version that set the thresholds and the baseline; newer ones are taken on purpose.
    # The workflow asks for the page, whatever the family.
    return f"pytest-mlff[{','.join(sorted({*extras, 'report'}))}]=={__version__}"


def workflow_text(model: str, suite: str, baseline: str, requirement: str, branch: str) -> str:
    """The workflow for a model repository."""
    if not requirement.isprintable() or "${{" in requirement:
        raise MlffError(f"--requirement {requirement!r} cannot stand in a workflow")
    text = TEMPLATE.read_text(encoding="utf-8")
    values = {
        "@MODEL@": model,
        "@SUITE@": suite,
        "@BASELINE@": baseline,
        "@REQUIREMENT@": requirement,
        "@BRANCH@": branch,
    }
    # In one pass: a value that looks like a placeholder stays what it is.
    return re.sub(r"@[A-Z]+@", lambda found: quoted(values[found[0]]), text)


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers; None if it refuses or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _branch(folder: Path) -> str:
    remote = _git(folder, "symbolic-ref", "--short", "refs/remotes/origin/HEAD")
    if remote:
        return remote.partition("/")[2]
    return _git(folder, "symbolic-ref", "--short", "HEAD") or "main"


def _git_remarks(folder: Path, model: str) -> list[str]:
    from pytest_mlff.potentials.families.registry import family_names
    from pytest_mlff.potentials.source import CheckpointSet, Factory, parse_source

    root = _git(folder, "rev-parse", "--show-toplevel")
    if root is None:
        return [f"{folder} is no git repository yet"]
    if Path(root).resolve() != folder:
        return [f"GitHub reads workflows in the root of a repository only, which is {root}"]
    source = parse_source(model, cwd=folder, families=family_names())
    remarks = []
    if isinstance(source, Factory) and not (folder / "requirements.txt").is_file():
        remarks.append(
            "there is no requirements.txt, from which the workflow installs what the model imports"
        )
    path = _path_of(source, folder)
    if path is None or isinstance(source, CheckpointSet):
        return remarks
    if _git(folder, "ls-files", "--error-unmatch", "--", str(path)) is None:
        remarks.append(
            f"{path.name} is not in git: the workflow finds it only once it is committed"
        )
    return remarks


def _hints(model: str) -> str:
    return (
        'make the check "mlff / gate" a required one in the settings of the repository.\n'
        "A workflow cannot protect its own file from a pull request: have owners review what\n"
        "judges (mlff init --owners @ORG/TEAM writes CODEOWNERS; docs/github.md says more).\n"
        "To have pytest run the spec with your own tests, put this into pytest.ini (or the same\n"
        "keys under [tool.pytest.ini_options] in pyproject.toml):\n"
        f"    [pytest]\n    mlff_model = {model}\n    mlff_suite = {SPEC}\n"
    )
