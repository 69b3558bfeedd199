"""``mlff baseline``: look after baseline files."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.cli.ask import agreed
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.gate.baseline import Baseline

_DECLINED = 1


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``baseline prune``."""
    parser = subparsers.add_parser("baseline", help="baseline files: remove entries")
    commands = parser.add_subparsers(dest="baseline_command", required=True, metavar="COMMAND")
    pruning = commands.add_parser(
        "prune",
        help="remove entries that no case has any more",
        description="Shows the entries that would go, asks, and writes the file and its sidecar.",
    )
    pruning.add_argument("file", metavar="FILE", type=Path, help="a baseline file")
    pruning.add_argument(
        "entries", metavar="ENTRY", nargs="*",
        help="case ids, or shell patterns of them: 'specs/old/*'",
    )  # fmt: skip
    pruning.add_argument(
        "--suite", metavar="NAME", action="append", default=[],
        help="entries of these specs that none of their cases has any more, as --mlff-suite",
    )  # fmt: skip
    pruning.add_argument(
        "--dataset", metavar="NAME", help="dataset of the specs, if they have several"
    )
    pruning.add_argument("--data", metavar="DIR", type=Path, help="folder where datasets lie")
    pruning.add_argument("--yes", action="store_true", help="write without asking")
    pruning.set_defaults(
        run=lambda given: prune(
            given.file, given.entries, given.suite,
            dataset=given.dataset, data_dir=given.data, yes=given.yes,
        )
    )  # fmt: skip


def prune(
    path: Path,
    entries: Sequence[str] = (),
    suites: Sequence[str] = (),
    *,
    dataset: str | None = None,
    data_dir: Path | None = None,
    yes: bool = False,
) -> int:
    """Remove entries from a baseline file; the others keep their bytes.

    Parameters
    ----------
    path : Path
        A baseline file.
    entries : sequence of str
        Case ids, or shell patterns of them. Brackets are taken as they stand.
    suites : sequence of str
        Specs of which every entry goes that none of their cases has.
    dataset : str, optional
        One of the specs' datasets.
    data_dir : Path, optional
        Where datasets lie.
    yes : bool
        Do not ask.

    Returns
    -------
    int
        0, or 1 if the user said no.

    Raises
    ------
    MlffError
        If the file is no whole baseline, nothing was named or matched, everything would
        go, nobody can be asked, or the file cannot be written.
    """
    from pytest_mlff.gate.baseline import load_baseline, save_baseline

    if not entries and not suites:
        raise MlffError("name entries (case ids or patterns), or specs with --suite")
    baseline = load_baseline(path)
    if baseline.is_report:
        raise MlffError(f"{path} is a report, which is left as it was measured")
    going = _named(baseline, entries) | _orphans(baseline, suites, dataset, data_dir)
    if not going:
        print(f"{path}: nothing to remove, every entry of these specs has a case")
        return 0
    if len(going) == len(baseline.cases):
        raise MlffError(f"{path}: that is every entry; delete the file if that is what you want")
    for name in sorted(going):
        print(f"remove {name} ({baseline.cases[name].record.value:.4g})")
    question = f"Remove {len(going)} of {len(baseline.cases)} entries?"
    if not yes and not agreed(question, "nothing was removed: nobody to ask; --yes removes"):
        print("nothing was removed")
        return _DECLINED
    kept = {name: case for name, case in baseline.cases.items() if name not in going}
    save_baseline(replace(baseline, cases=kept))
    print(f"{path}: {len(going)} removed, {len(kept)} kept")
    return 0


def _named(baseline: Baseline, patterns: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        # Ids end in [C]: a bracket is one, and no set of characters.
        escaped = pattern.replace("[", "[[]")
        matched = {name for name in baseline.cases if fnmatchcase(name, escaped)}
        if not matched:
            raise MlffError(f"{baseline.path} has no entry {pattern!r}")
        found |= matched
    return found


def _orphans(
    baseline: Baseline, suites: Sequence[str], dataset: str | None, data_dir: Path | None
) -> set[str]:
    from pytest_mlff.gate.baseline import spec_of
    from pytest_mlff.run.plan import plan_spec
    from pytest_mlff.specs import find_specs

    cases: set[str] = set()
    specs: set[str] = set()
    for suite in suites:
        for path in find_specs([suite], Path.cwd()):
            planned = plan_spec(path, dataset, data_dir)
            specs.add(f"{planned.spec.suite}/{planned.spec.name}")
            cases |= {case.case_id for case in planned.cases}
    _check_known(baseline, specs)
    return {name for name in baseline.cases if spec_of(name) in specs and name not in cases}


def _check_known(baseline: Baseline, specs: Collection[str]) -> None:
    """A spec that the file has never heard of is a slip, not an empty answer."""
    from pytest_mlff.gate.baseline import spec_of

    known = sorted({spec_of(name) for name in baseline.cases})
    for spec in sorted(specs):
        if spec not in known:
            raise MlffError(
                f"{baseline.path} has no entry of spec {spec} (its specs: {', '.join(known)})"
            )
