"""Every fault is caught by the law it is named for, and its counterexample is small."""

from __future__ import annotations

import pytest

from pytest_mlff.laws.mutants import FAULTS, mutant
from pytest_mlff.laws.registry import laws
from pytest_mlff.laws.runner import run_law


# A leak takes many calls: `test_memory_law` tells it, in a process that frees other things.
@pytest.mark.parametrize("name", [name for name in FAULTS if name != "leak"])
def test_mutant_is_caught_by_its_law(name: str) -> None:
    kind = FAULTS[name]
    result = run_law(kind.law, mutant(name), strictness="fast", seed=1, options=dict(kind.options))
    assert not result.holds
    assert result.excess > 1.0
    assert result.counterexample is not None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", [n for n, kind in FAULTS.items() if "float32" in kind.dtypes])
def test_mutant_is_caught_in_float32(name: str, seed: int) -> None:
    kind, model = FAULTS[name], mutant(name, dtype="float32")
    options = dict(kind.options)
    result = run_law(kind.law, model, strictness="ci", seed=seed, options=options)
    assert not result.holds


def test_every_law_has_a_mutant() -> None:
    assert {kind.law for kind in FAULTS.values()} == set(laws())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "name, law, most",
    [
        ("hard_cutoff", "smoothness", 2),
        ("index_order", "permutation", 3),
        ("parity", "inversion", 3),
    ],
)
def test_counterexample_shrinks(name: str, law: str, most: int, seed: int) -> None:
    result = run_law(law, mutant(name, 0.1), strictness="fast", seed=seed)
    assert result.counterexample is not None
    assert len(result.counterexample.frames.numbers) <= most


def test_sound_twin_of_the_mutants_passes() -> None:
    """Strength zero is no fault: what catches the mutant is the fault, not the wrapper."""
    for name, kind in FAULTS.items():
        if kind.smooth and name != "leak":
            assert run_law(kind.law, mutant(name, 0.0), strictness="fast", seed=2).holds, name
