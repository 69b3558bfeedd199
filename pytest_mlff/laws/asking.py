"""How a law asks its model, and how the questions of several trials travel together.

A law that yields its batches instead of asking for each by itself leaves the asking to this
module. A model in a process of its own is then handed the batches of some trials in one
message: each is evaluated as it would be alone, but the way there and back is gone once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from pytest_mlff.laws.trial import Questions, Reading, UnsteadyError
from pytest_mlff.potentials.failures import ModelFailure, PoisonedContextError

if TYPE_CHECKING:
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.laws.context import Context
    from pytest_mlff.laws.law import Law
    from pytest_mlff.laws.trial import Trial
    from pytest_mlff.potentials.protocol import Prediction

_TOGETHER: Final = 8
"""Trials whose questions go in one message."""


def measured(law: Law, context: Context, trial: Trial) -> Reading:
    """Measure one trial."""
    return _answered(context, law.measure(context, trial))


def measurements(
    law: Law, context: Context, trials: Sequence[Trial]
) -> Iterator[Callable[[], Reading]]:
    """What measures each of the trials, to be called in turn.

    The first one is asked about alone: what breaks a law mostly does so at once. Whatever is wrong
    with a question is raised where its own trial is measured.
    """
    if not trials:
        return
    yields = False

    def first() -> Reading:
        nonlocal yields
        found = law.measure(context, trials[0])
        yields = not isinstance(found, Reading)
        return _answered(context, found)

    yield first
    size = _TOGETHER if yields else 1
    for start in range(1, len(trials), size):
        group = trials[start : start + size]
        if len(group) > 1:
            yield from _together(law, context, group)
        else:
            yield partial(measured, law, context, group[0])


def _together(
    law: Law, context: Context, trials: Sequence[Trial]
) -> Iterator[Callable[[], Reading]]:
    """As :func:`measurements`, with what the laws ask first in one message."""
    alone = [partial(measured, law, context, one) for one in trials]
    try:
        under_way = [cast("Questions", law.measure(context, one)) for one in trials]
        asked = [next(one) for one in under_way]
        answers = context.answers([batch for batches in asked for batch in batches])
    except (ModelFailure, PoisonedContextError, UnsteadyError) as failure:
        yield partial(_raise, failure)
        return
    except Exception:  # of one of them, which says so when it is asked about by itself
        yield from alone
        return
    for questions, batches in zip(under_way, asked, strict=True):
        own, answers = answers[: len(batches)], answers[len(batches) :]
        yield partial(_finished, context, questions, batches, own)


def _raise(error: Exception) -> Reading:
    raise error


def _answered(context: Context, found: Reading | Questions) -> Reading:
    return found if isinstance(found, Reading) else _finished(context, found, next(found))


def _finished(
    context: Context,
    questions: Questions,
    asked: Sequence[Frames],
    answers: Sequence[Prediction] | None = None,
) -> Reading:
    """Answer what is asked until the reading is there."""
    while True:
        answers = context.answers(asked) if answers is None else answers
        found = [context.checked(*one) for one in zip(answers, asked, strict=True)]
        answers = None
        try:
            asked = questions.send(found)
        except StopIteration as stop:
            reading: Reading = stop.value
            return reading
