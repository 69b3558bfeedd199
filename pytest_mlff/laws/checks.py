"""A law as an assertion, for a model repository's own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mlff.laws.law import LawResult
    from pytest_mlff.potentials.protocol import Potential


def check_law(name: str, potential: Potential, **options: Any) -> LawResult:
    """Assert that a model obeys a law.

    Parameters
    ----------
    name : str
        Id of the law, e.g. ``"rotation"``.
    potential : Potential
        The model.
    **options
        As for `pytest_mlff.laws.runner.run_law`: ``structures``, ``strictness``, ``seed`` …

    Raises
    ------
    AssertionError
        If the law is broken; the message shows the counterexample.
    """
    from pytest_mlff.laws.runner import run_law

    result = run_law(name, potential, **options)
    if not result.holds:
        raise AssertionError(result.summary())
    return result
