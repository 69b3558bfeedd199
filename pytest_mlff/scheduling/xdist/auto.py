"""Before models are loaded: how many workers, and which GPU each of them has."""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.gpu.gpus import chosen_gpus, has_driver, visible_gpus
from pytest_mlff.scheduling.gpu.slots import Slot, runtime_folder, take_slot
from pytest_mlff.scheduling.threads import WORKERS, available_cores, model_threads

if TYPE_CHECKING:
    from pytest_mlff.run.options import Options
    from pytest_mlff.scheduling.gpu.gpus import Gpu

SLOT_KEY: pytest.StashKey[Slot] = pytest.StashKey()
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_WORKER = "PYTEST_XDIST_WORKER"
_AUTO = "PYTEST_XDIST_AUTO_NUM_WORKERS"
_PATIENCE, _PATIENCE_DEFAULT = "MLFF_GPU_WAIT", 600.0
_STOPS = "mlff stops the run: "


class UnpinnedWorkerWarning(pytest.PytestWarning):
    """A worker came too late to choose its GPU."""


def worker_gpus(
    device: str, gpus: str | None, per_gpu: int, workers: int, environ: Mapping[str, str]
) -> tuple[Gpu, ...]:
    """GPUs whose slots the workers of a run share; none where they compute on the CPU.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    gpus : str or None
        ``--mlff-gpus``.
    per_gpu : int
        Slots on each GPU.
    workers : int
        Workers of this run.
    environ : mapping of str to str
        Environment, of which ``CUDA_VISIBLE_DEVICES`` and ``PATH`` matter.

    Raises
    ------
    MlffError
        If ``--mlff-gpus`` is not in order, or there are more workers than slots: a worker
        that waits for another of the same run would wait for ever.
    """
    if device == "cpu":
        if gpus is not None:
            raise MlffError("--mlff-gpus: there is nothing to choose with --mlff-device=cpu")
        return ()
    chosen = chosen_gpus(gpus, visible_gpus(environ))
    slots = len(chosen) * per_gpu
    if not chosen or workers <= slots:
        return chosen
    if device == "auto" and gpus is None and not has_driver(environ):
        # A left-over CUDA_VISIBLE_DEVICES on a machine that has no GPU.
        return ()
    raise MlffError(
        f"{workers} workers, but {slots} GPU slot{'s' if slots > 1 else ''}: take -n {slots}, "
        f"--mlff-per-gpu={math.ceil(workers / len(chosen))} or --mlff-device=cpu"
    )


def auto_workers(config: pytest.Config, options: Options) -> int | None:
    """What ``-n auto`` means: GPU slots if there are GPUs, else cores / threads per model.

    Returns
    -------
    int or None
        None leaves the answer to xdist: for ``-n logical``, or where
        ``PYTEST_XDIST_AUTO_NUM_WORKERS`` gives one.

    Raises
    ------
    pytest.UsageError
        If ``--mlff-gpus`` is not in order.
    """
    if config.getoption("numprocesses") != "auto" or os.environ.get(_AUTO):
        return None
    try:
        gpus = worker_gpus(options.device, options.gpus, options.per_gpu, 0, os.environ)
    except MlffError as error:
        raise pytest.UsageError(str(error)) from None
    slots = len(gpus) * options.per_gpu
    return slots or max(1, available_cores() // model_threads(os.environ))


def check_slots(config: pytest.Config, options: Options) -> None:
    """In the controller, before a worker starts: say what is wrong with GPUs and slots.

    Raises
    ------
    MlffError
        With one line.
    """
    specs = [str(one) for one in config.getoption("tx", None) or ()]
    spread = config.getoption("dist", "no") != "no"
    here = sum(_count(one) for one in specs if "popen" in one) if spread else 0
    if here or options.gpus is not None:
        worker_gpus(options.device, options.gpus, options.per_gpu, here, os.environ)


def _count(spec: str) -> int:
    number, star, _ = spec.partition("*")
    return int(number) if star and number.isdigit() else 1


def _early(config: pytest.Config, name: str) -> Any:
    """An option before pytest has read its command line to the end."""
    given = getattr(config.known_args_namespace, f"mlff_{name}", None)
    return given if given is not None else config.getini(f"mlff_{name}") or None


def pin_worker(config: pytest.Config) -> None:
    """In an xdist worker, before any conftest is imported: take a slot and see its GPU only.

    Does nothing in other processes, without ``--mlff-model``, and where no GPU is to be used.
    The slot is kept on ``config.stash`` and so for as long as the worker lives.

    Raises
    ------
    pytest.UsageError
        If no slot became free in time.
    """
    if _WORKER not in os.environ or not _early(config, "model"):
        return
    device = str(_early(config, "device") or "auto")
    gpus = _early(config, "gpus")
    per_gpu = int(_early(config, "per_gpu") or 1)
    workers = int(os.environ.get(WORKERS, "1"))
    worker = os.environ[_WORKER]
    try:
        chosen = worker_gpus(device, None if gpus is None else str(gpus), per_gpu, workers,
                             os.environ)  # fmt: skip
        if not chosen:
            return
        if "torch" in sys.modules:
            text = (
                f"{worker} has no GPU slot: torch was imported before the worker could choose "
                "a GPU (by a plugin, or sitecustomize?), so it may share one with another worker"
            )
            config.issue_config_time_warning(UnpinnedWorkerWarning(text), stacklevel=2)
            return
        slot = take_slot(
            chosen,
            per_gpu,
            runtime_folder(os.environ),
            patience=_patience(),
            say=lambda line: print(f"mlff: {worker}: {line}", file=sys.stderr, flush=True),
        )
    except MlffError as error:
        raise stops_the_run(f"{worker}: {error}") from None
    config.stash[SLOT_KEY] = slot
    os.environ[_VISIBLE] = slot.gpu.entry


def _patience() -> float:
    text = os.environ.get(_PATIENCE, "")
    try:
        return max(0.0, float(text)) if text else _PATIENCE_DEFAULT
    except ValueError:
        warnings.warn(f"{_PATIENCE}={text!r} is not a number of seconds", stacklevel=2)
        return _PATIENCE_DEFAULT


def stops_the_run(line: str) -> pytest.UsageError:
    """What a worker raises whose successors would fare no better: no GPU slot, a bad model."""
    return pytest.UsageError(f"{_STOPS}{line}")


def stop_with_worker(error: object) -> None:
    """End the run if a worker went down with :func:`stops_the_run`.

    Parameters
    ----------
    error : object
        What xdist tells of a worker that went down.

    Raises
    ------
    pytest.exit.Exception
        With the worker's own line and the exit code of bad usage.
    """
    _, found, rest = str(error).partition(_STOPS)
    if found:
        pytest.exit(f"mlff: {rest.strip().splitlines()[0]}", pytest.ExitCode.USAGE_ERROR)
