"""``mlff train``: train ahead what ``pytest --mlff-model=recipe.yaml`` would train."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.run.options import Options
    from pytest_mlff.run.trainings import Trainings, Wanted


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "train",
        help="train a recipe on the variants of a suite, ahead of the tests",
        description="Train a recipe on every fixture variant of a suite. Checkpoints go into the "
        "store, where `pytest --mlff-model=RECIPE` finds them; what is there already is not "
        "trained again, and an interrupted training goes on from its last checkpoint.",
    )
    parser.add_argument(
        "recipe", metavar="RECIPE", help="recipe file, or the name of a shipped one"
    )
    parser.add_argument(
        "--mlff-suite", "--suite", action="append", metavar="NAME", dest="suites",
        help="suite, spec or path to a spec; may be given several times (default: saibench)",
    )  # fmt: skip
    parser.add_argument("--mlff-dataset", "--dataset", dest="dataset", metavar="NAME")
    parser.add_argument("--mlff-data", "--data", dest="data", metavar="DIR", type=Path)
    parser.add_argument(
        "--mlff-store", "--store", dest="store", metavar="DIR", type=Path,
        default=Path(".mlff-store"), help="the store (default: .mlff-store)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, metavar="N",
        help="trainings at once (default: cores / cores of one training)",
    )  # fmt: skip
    parser.add_argument(
        "--mlff-engine", "--engine", dest="engine", default="local", metavar="NAME",
        help="where trainings run: local (default) or slurm",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="also copy each checkpoint to DIR/{variant}.ckpt",
    )  # fmt: skip
    parser.set_defaults(run=_run)


def _options(arguments: argparse.Namespace) -> Options:
    from pytest_mlff.run.options import Located, Options

    here = Path.cwd()
    suites = arguments.suites or ["saibench"]
    return Options(
        models=(Located(arguments.recipe, here),),
        suites=tuple(Located(name, here) for name in suites),
        dataset=arguments.dataset,
        data_dir=arguments.data,
        store_dir=arguments.store.absolute(),
        engine=arguments.engine,
    )


def wanted(arguments: argparse.Namespace) -> Trainings:
    """Trainings that the command line asks for.

    Raises
    ------
    MlffError
        If the model is not a recipe, or a spec or the data are not in order.
    """
    from pytest_mlff.run.evaluation import Evaluation
    from pytest_mlff.run.plan import make_plan, spec_paths
    from pytest_mlff.run.trainings import wanted_trainings
    from pytest_mlff.store import Store

    options = _options(arguments)
    evaluation = Evaluation(options, Store(options.store_dir))
    plan = make_plan(options, spec_paths(options.suites))
    for source in options.models:
        if evaluation.models.recipe(source) is None:
            raise MlffError(f"{source.text}: not a recipe; mlff train takes a recipe.yaml")
    return wanted_trainings(
        evaluation,
        (
            (source, planned, variant)
            for source in options.models
            for planned in plan
            for variant in planned.variants
        ),
    )


def _run(arguments: argparse.Namespace) -> int:
    from pytest_mlff.scheduling.engines.registry import ENGINES
    from pytest_mlff.scheduling.xdist.ahead import train_all
    from pytest_mlff.training.runner import stored_result

    if arguments.engine not in ENGINES:
        raise MlffError(
            f"--mlff-engine: {arguments.engine!r} is none of {', '.join(ENGINES)}; an engine of a "
            "plugin is pytest's alone"
        )
    if arguments.jobs is not None and arguments.jobs < 1:
        raise MlffError(f"--jobs: {arguments.jobs} is too small, at least 1 is needed")
    options = _options(arguments)
    asked = wanted(arguments)
    trainings = asked.wanted
    for line in asked.unsupported:
        print(f"unsupported: {line}")
    for line in asked.at_fault:
        print(f"not trained: {line}")
    if not trainings and not asked.at_fault:
        raise MlffError("nothing to train: no spec of the suite cuts training frames that fit")
    ready = {one.job.digest for one in trainings if stored_result(one.job) is not None}
    missing = [one for one in trainings if one.job.digest not in ready]
    variants = len({name for one in trainings for name in one.variants})
    print(
        f"{len(trainings)} trainings for {variants} variants: {len(ready)} in the store, "
        f"{len(missing)} to do"
    )
    failed = train_all(missing, options, jobs=arguments.jobs) if missing else {}
    if arguments.out is not None:
        _copy(trainings, arguments.out)
    return 1 if failed or asked.at_fault else 0


def _copy(trainings: Sequence[Wanted], folder: Path) -> None:
    """Copy each checkpoint under the id of every variant it was trained for."""
    from pytest_mlff.training.runner import stored_result

    for one in trainings:
        result = stored_result(one.job)
        if result is None:
            continue
        for name in one.tested:
            target = folder / f"{name.rpartition('/')[2]}{result.checkpoint.suffix}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(result.checkpoint, target)
            except OSError as error:
                raise MlffError(
                    f"{target}: cannot be written ({error.strerror or error})"
                ) from error
        if result.plus and one.tested:
            print(
                f"{one.tested[0]}: learnt what is to be added to {result.plus}, which a bare "
                "checkpoint does not hold; test it through the recipe"
            )
        if result.reference_energies and one.tested:
            print(
                f"{one.tested[0]}: trained without reference energies, which a bare checkpoint "
                "does not hold; test it through the recipe"
            )
