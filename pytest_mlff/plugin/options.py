"""The ``--mlff-*`` options and their ini twins, read into a frozen value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_mlff.choices import DEVICES, DTYPES, STRICTNESS
from pytest_mlff.run.options import TRUST, UNDECIDED, Located, Options

TYPED_ONLY = ("mlff_update_baseline", "mlff_accept_regression")
"""What changes a baseline is typed for one run: a file would accept regressions for ever."""


def add_options(parser: pytest.Parser) -> None:
    """Register every option and its ini twin (``--mlff-model`` and ``mlff_model``)."""
    group = parser.getgroup("mlff", "benchmarks of machine-learned force fields")

    def add(name: str, help_text: str, *, ini: Any = "string", **settings: Any) -> None:
        option, twin = f"--mlff-{name}", f"mlff_{name.replace('-', '_')}"
        group.addoption(option, dest=twin, help=help_text, default=None, **settings)
        only = "not allowed here" if twin in TYPED_ONLY else help_text
        parser.addini(twin, f"{only} (as {option})", type=ini)

    add(
        "model",
        "the model to test: demo, a checkpoint, DIR/{variant}.ckpt, module:callable or "
        "file.py:callable; may be given several times",
        ini="linelist",
        action="append",
        metavar="SOURCE",
    )
    add(
        "suite",
        "benchmark specs to run: quick (default), a folder (laws), one spec or a path to your "
        "own YAML; may be given several times",
        ini="linelist",
        action="append",
        metavar="NAME",
    )
    add(
        "only", "run the specs without this repository's own tests", ini="bool", action="store_true"
    )
    add("dataset", "dataset for specs that allow several (default: their first)", metavar="NAME")
    add("data", "folder where datasets lie (default: the user's cache)", metavar="DIR")
    add("store", "folder for what is expensive (default: .mlff-store)", metavar="DIR")
    add(
        "store-trust",
        "what a stored prediction pass is worth: verify (a few frames are compared with the model; "
        "default), full or none",
        choices=TRUST,
    )
    add("report", "write the JSON report to FILE", metavar="FILE")
    add("html", "write the HTML report to FILE", metavar="FILE")
    add(
        "write",
        "write the report in a further format, e.g. csv:cases.csv; may be given several times",
        ini="linelist",
        action="append",
        metavar="FORMAT:FILE",
    )
    add(
        "baseline",
        "compare every case frame by frame with a baseline file or another run's JSON report",
        metavar="FILE",
    )
    add(
        "update-baseline",
        "take what is new or significantly better into the baseline",
        action="store_true",
    )
    add(
        "accept-regression",
        "with --mlff-update-baseline: take a worsening, too, and keep the REASON in the file",
        metavar="REASON",
    )
    add(
        "undecided",
        "pass (default) or fail: whether what cannot be told from the baseline blocks",
        choices=UNDECIDED,
    )
    add(
        "engine",
        "where trainings run: local (default), slurm or an engine of a plugin",
        metavar="NAME",
    )
    add("gpus", "GPUs for xdist workers, e.g. 0,2: indices into the visible ones", metavar="LIST")
    add("per-gpu", "xdist workers per GPU (default: 1)", metavar="INT")
    add("device", "auto, cpu or cuda (default: auto)", choices=DEVICES)
    add("dtype", "float32 or float64 (default: as the model is stored)", choices=DTYPES)
    add(
        "level",
        "level of theory that the model was trained on, e.g. GFN2-xTB or wB97X/6-31G(d)",
        metavar="NAME",
    )
    add(
        "strictness",
        "how hard physical laws are tried: fast, ci or thorough (default: each spec's own); "
        "thorough also simulates for the longer time that a spec names",
        choices=STRICTNESS,
    )
    add("seed", "seed of everything the laws draw (default: 0)", metavar="INT")
    add(
        "timeout",
        "seconds without a word from the model after which it is ended (default: 600; 0: none)",
        metavar="SECONDS",
    )
    add(
        "in-process",
        "load models into pytest's own process, for debuggers: nothing holds them apart then",
        ini="bool",
        action="store_true",
    )


def read_options(config: pytest.Config) -> Options | None:
    """Read the options of a run; None without ``--mlff-model``.

    Relative paths start from the folder pytest was called in, those in an ini file
    from the folder of that file.

    Raises
    ------
    pytest.UsageError
        If an ini value is none of the allowed ones.
    """
    models = _many(config, "model")
    if not models:
        return None
    _refuse_untyped(config)
    suites = _many(config, "suite")

    def path(name: str) -> Path | None:
        found = _one(config, name)
        return None if found is None else found.path

    def text(name: str) -> str | None:
        found = _one(config, name)
        return None if found is None else found.text

    def choice(name: str, allowed: Sequence[str]) -> str | None:
        found = text(name)
        if found is not None and found not in allowed:
            raise pytest.UsageError(f"mlff_{name}: {found!r} is none of {', '.join(allowed)}")
        return found

    options = Options(
        models=models,
        suites=suites or (Located("quick", config.invocation_params.dir),),
        suite_chosen=bool(suites),
        only=bool(config.getoption("mlff_only") or config.getini("mlff_only")),
        dataset=text("dataset"),
        data_dir=path("data"),
        store_dir=path("store") or config.rootpath / ".mlff-store",
        report=path("report"),
        writes=_writes(config, path("html")),
        baseline=path("baseline"),
        update_baseline=bool(config.getoption("mlff_update_baseline")),
        accept_regression=config.getoption("mlff_accept_regression"),
        undecided=choice("undecided", UNDECIDED) or "pass",
        engine=text("engine") or "local",
        gpus=text("gpus"),
        per_gpu=_integer(config, "per_gpu", default=1, least=1),
        device=choice("device", DEVICES) or "auto",
        dtype=choice("dtype", DTYPES),
        level=text("level"),
        strictness=choice("strictness", STRICTNESS) or "",
        seed=_integer(config, "seed"),
        store_trust=choice("store_trust", TRUST) or "verify",
        timeout=_integer(config, "timeout", default=600, least=0) or None,
        in_process=bool(config.getoption("mlff_in_process") or config.getini("mlff_in_process")),
    )
    _refuse_targets(options)
    return options


def _refuse_targets(options: Options) -> None:
    """Refuse a report that would be written over another one, a spec or a model of the run."""
    taken: dict[Path, str] = {}
    for what, located in (
        *(("suite", one) for one in options.suites),
        *(("model", one) for one in options.models),
    ):
        for text in (located.text, located.text.rpartition(":")[0]):
            path = Located(text, located.folder).path if text else None
            if path is not None and path.is_file():
                taken[path.resolve()] = f"--mlff-{what}={located.text}"
    report = () if options.report is None else (("JSON", options.report),)
    for name, target in (*report, *options.writes):
        path = target.resolve()
        if path in taken:
            raise pytest.UsageError(
                f"{target}: the {name} report would be written over {taken[path]}"
            )
        taken[path] = f"the {name} report"


def _writes(config: pytest.Config, html: Path | None) -> tuple[tuple[str, Path], ...]:
    """Formats that the report is written in, the page first."""
    writes = [] if html is None else [("html", html)]
    for given in _many(config, "write"):
        name, _, file = given.text.partition(":")
        if not name or not file:
            raise pytest.UsageError(
                f"--mlff-write: {given.text!r} is no FORMAT:FILE, e.g. csv:cases.csv"
            )
        writes.append((name, Located(file, given.folder).path))
    return tuple(writes)


def _refuse_untyped(config: pytest.Config) -> None:
    """Refuse `TYPED_ONLY` in an ini file, in ``addopts`` and in ``PYTEST_ADDOPTS``."""
    if hasattr(config, "workerinput"):  # the controller has looked
        return
    typed = [str(word).partition("=")[0] for word in config.invocation_params.args]
    for name in TYPED_ONLY:
        option = f"--{name.replace('_', '-')}"
        if config.getini(name) or (config.getoption(name) is not None and option not in typed):
            where = f"{config.inipath}: " if config.inipath else ""
            raise pytest.UsageError(f"{where}{name}: {option} counts on the command line only")


def _ini_folder(config: pytest.Config) -> Path:
    return config.inipath.parent if config.inipath is not None else config.rootpath


def _many(config: pytest.Config, name: str) -> tuple[Located, ...]:
    given = config.getoption(f"mlff_{name}")
    if given:
        return tuple(Located(text, config.invocation_params.dir) for text in given)
    folder = _ini_folder(config)
    return tuple(Located(text, folder) for text in config.getini(f"mlff_{name}"))


def _one(config: pytest.Config, name: str) -> Located | None:
    given = config.getoption(f"mlff_{name}")
    if given is not None:
        return Located(str(given), config.invocation_params.dir)
    text = config.getini(f"mlff_{name}")
    return Located(text, _ini_folder(config)) if text else None


def _integer(
    config: pytest.Config, name: str, *, default: int = 0, least: int | None = None
) -> int:
    found = _one(config, name)
    if found is None:
        return default
    option = f"--mlff-{name.replace('_', '-')}"
    try:
        number = int(found.text)
    except ValueError:
        raise pytest.UsageError(f"{option}: {found.text!r} is not a whole number") from None
    if least is not None and number < least:
        raise pytest.UsageError(f"{option}: {number} is too small, at least {least} is needed")
    return number
