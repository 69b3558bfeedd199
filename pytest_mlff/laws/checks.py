"""One function per law for a model repository's own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mlff.laws.law import LawResult
    from pytest_mlff.laws.structures import StructurePool
    from pytest_mlff.potentials.protocol import Potential

__all__ = [
    "Check",
    "check",
    "check_batch_independence",
    "check_conservativity",
    "check_determinism",
    "check_force_consistency",
    "check_inversion",
    "check_isolated_atom",
    "check_locality",
    "check_memory",
    "check_net_force",
    "check_no_holes",
    "check_periodic_images",
    "check_permutation",
    "check_precision",
    "check_rotation",
    "check_size_extensivity",
    "check_smoothness",
    "check_stress_consistency",
    "check_thread_safety",
    "check_translation",
    "check_unknown_species",
]


def check(law_id: str, potential: Potential, **options: Any) -> LawResult:
    """Assert that a model obeys a law.

    Parameters
    ----------
    law_id : str
        Id of the law.
    potential : Potential
        The model.
    **options
        As for `pytest_mlff.laws.runner.run_law`.

    Raises
    ------
    AssertionError
        If the law is broken; the message shows the counterexample.
    """
    from pytest_mlff.laws.runner import run_law

    result = run_law(law_id, potential, **options)
    if not result.holds:
        raise AssertionError(result.summary())
    return result


class Check:
    """``check_<law>``: asserts one law; see `check`."""

    def __init__(self, law_id: str) -> None:
        self.law_id = law_id
        self.__name__ = f"check_{law_id}"
        self.__doc__ = f"Assert that a model obeys the law ``{law_id}``; see `check`."

    def __call__(
        self,
        potential: Potential,
        *,
        structures: StructurePool | None = None,
        strictness: str = "ci",
        seed: int = 0,
        **options: Any,
    ) -> LawResult:
        """Assert the law; raises `AssertionError` that shows the counterexample."""
        return check(
            self.law_id,
            potential,
            structures=structures,
            strictness=strictness,
            seed=seed,
            **options,
        )

    def __repr__(self) -> str:
        return f"<{self.__name__}>"


check_rotation = Check("rotation")
check_inversion = Check("inversion")
check_translation = Check("translation")
check_permutation = Check("permutation")
check_periodic_images = Check("periodic_images")
check_force_consistency = Check("force_consistency")
check_conservativity = Check("conservativity")
check_stress_consistency = Check("stress_consistency")
check_smoothness = Check("smoothness")
check_locality = Check("locality")
check_size_extensivity = Check("size_extensivity")
check_isolated_atom = Check("isolated_atom")
check_net_force = Check("net_force")
check_batch_independence = Check("batch_independence")
check_determinism = Check("determinism")
check_thread_safety = Check("thread_safety")
check_precision = Check("precision")
check_unknown_species = Check("unknown_species")
check_no_holes = Check("no_holes")
check_memory = Check("memory")
