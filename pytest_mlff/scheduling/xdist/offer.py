"""The controller begins to load a model while its workers start; they take it over."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.threads import WORKERS, available_cores, threads_per_worker
from pytest_mlff.scheduling.xdist.auto import worker_gpus

if TYPE_CHECKING:
    import pytest

    from pytest_mlff.potentials.process import Offer
    from pytest_mlff.run.session import Session

_MOST: Final = 2


def offer_model(session: Session, config: pytest.Config, *, refuse_code: bool) -> tuple[Offer, ...]:
    """Begin to load the model that :meth:`Session.open_models` opens first.

    Returns
    -------
    tuple of Offer
        One for each of the first workers, as far as there are cores; two at most, since nothing is
        known yet of how much there is to compute. None where a worker would not open the same:
        elsewhere, on a GPU of its own, in its own process; or where the model has trouble, which
        the worker that opens it will tell of.
    """
    from xdist.workermanage import parse_tx_spec_config

    from pytest_mlff.potentials.adapters import ModelOpensCodeWarning
    from pytest_mlff.potentials.process import Limits, offer_potential

    options, models = session.options, session.evaluation.models
    workers = parse_tx_spec_config(config)
    offers: list[Offer] = []
    with suppress(MlffError, OSError):
        source = next((one for one in options.models if not models.needs_variant(one)), None)
        if (
            source is None
            or workers[0] != "popen"
            or options.in_process
            or worker_gpus(options.device, options.gpus, options.per_gpu, len(workers), os.environ)
        ):
            return ()
        with warnings.catch_warnings():
            warnings.simplefilter("error" if refuse_code else "always", ModelOpensCodeWarning)
            for _ in range(min(_MOST, len(workers), available_cores())):
                offered = offer_potential(
                    source.text,
                    device=options.device,
                    dtype=options.dtype,
                    cwd=source.folder,
                    adapters=models.adapters,
                    threads=threads_per_worker({**os.environ, WORKERS: str(len(workers))}),
                    limits=Limits(options.timeout),
                )
                offers += [] if offered is None else [offered]
    return tuple(offers)
