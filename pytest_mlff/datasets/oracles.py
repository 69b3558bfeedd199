"""Oracles by name: methods that label any frame, accurate ones and cheap ones.

None is taken for better than another by its name: against CCSD(T) forces of ethanol GFN2-xTB is
closer than PBE. ``mlff data relabel`` says how far an oracle is from the labels at hand.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlff.datasets import oracle as gfn2
from pytest_mlff.datasets.levels import same_level
from pytest_mlff.entry_points import named_object
from pytest_mlff.errors import MissingExtraError, MlffError, did_you_mean
from pytest_mlff.products import ARRAYS, Product, once

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.store import Store

_CHUNK: Final = 50
"""Frames that are labelled and kept together: what a kill can cost."""
_DAMAGE: Final = 1.03


@dataclass(frozen=True)
class Oracle:
    """A method that labels frames.

    Attributes
    ----------
    name : str
        In recipes and on the command line.
    method : str
        Level of theory of its labels.
    make : callable
        Returns an ASE calculator.
    libraries : tuple of str
        Distributions that a label depends on.
    source : Path or None
        File of a user's own oracle.
    lasting : bool
        Whether one calculator may serve all frames, since what it says of one does not depend on
        those before it.
    """

    name: str
    method: str
    make: Callable[[], Calculator] = field(repr=False, compare=False)
    libraries: tuple[str, ...] = ()
    source: Path | None = None
    lasting: bool = False

    @property
    def key(self) -> dict[str, str]:
        """What its labels depend on, for addresses in the store."""
        found = {"oracle": self.name}
        found |= {one: importlib.metadata.version(one) for one in self.libraries}
        if self.source is not None:
            import hashlib

            found["code"] = hashlib.sha256(self.source.read_bytes()).hexdigest()
        return found


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Labels of some frames by one method, and what they cost.

    Attributes
    ----------
    energy : ndarray of float64, shape (n_frames,)
        eV.
    forces : ndarray of float64, shape (n_atoms of all frames, 3)
        eV/Å.
    seconds : float
        Core-seconds that the labels took when they were made.
    """

    energy: NDArray[np.float64]
    forces: NDArray[np.float64]
    seconds: float


def _mmff94() -> Calculator:
    from pytest_mlff.datasets.mmff94 import Mmff94

    return Mmff94()


def _emt() -> Calculator:
    from ase.calculators.emt import EMT

    made: Calculator = EMT()
    return made


def _gfn_ff() -> Calculator:
    from gfnff.ase_calculator import GFNFF

    made: Calculator = GFNFF()
    return made


def _damaged() -> Calculator:
    from pytest_mlff.datasets.damaged import ScaledGeometry

    return ScaledGeometry(gfn2.calculator(), _DAMAGE)


_BUILTIN: Final = (
    Oracle("gfn2-xtb", gfn2.METHOD, gfn2.calculator, ("tblite",)),
    Oracle("gfn2-damaged", f"{gfn2.METHOD} at {_DAMAGE} times the geometry", _damaged, ("tblite",)),
    Oracle("gfn-ff", "GFN-FF", _gfn_ff, ("gfnff",)),
    Oracle("mmff94", "MMFF94", _mmff94, ("rdkit",), lasting=True),
    Oracle("emt", "EMT", _emt, ("ase",)),
)
ORACLES: Final[Mapping[str, Oracle]] = {one.name: one for one in _BUILTIN}
"""Those that need no code of the user's."""


def oracle_named(name: str, folder: Path | None = None) -> Oracle:
    """Look an oracle up.

    Parameters
    ----------
    name : str
        One of `ORACLES`, or ``module:callable`` of anything that returns an ASE calculator.
    folder : Path, optional
        Where modules are searched first.

    Raises
    ------
    MlffError
        If there is none of the name; lists the choices.
    MissingExtraError
        If its package is not installed.
    """
    if name in ORACLES:
        found = ORACLES[name]
        for library in found.libraries:
            if importlib.util.find_spec(library) is None:
                raise MissingExtraError(f"the oracle {name}", library, "oracle")
        return found
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        raise MlffError(
            f"unknown oracle {name!r}{did_you_mean(name, ORACLES)}; it is {', '.join(ORACLES)}, or "
            "module:callable of what returns an ASE calculator"
        )
    if folder is not None and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        made = named_object(name)
    except (ImportError, AttributeError) as error:
        raise MlffError(f"oracle {name!r}: {error}") from error
    if not callable(made):
        raise MlffError(f"oracle {name!r} is not callable; it must return an ASE calculator")
    source = inspect.getsourcefile(sys.modules[module])
    return Oracle(name, name, made, source=None if source is None else Path(source))


def oracle_for(level: str) -> Oracle | None:
    """The one of `ORACLES` that made some labels, by their level of theory; None if none did.

    Raises
    ------
    MissingExtraError
        If its package is not installed.
    """
    for name, one in ORACLES.items():
        if same_level(one.method, level):
            return oracle_named(name)
    return None


def label_frames(
    frames: Frames,
    oracle: Oracle,
    store: Store,
    progress: Callable[[int, int], None] | None = None,
) -> LabelSet:
    """Label frames, in portions that are kept: what has been labelled is not labelled again.

    Parameters
    ----------
    frames : Frames
        Their own labels do not matter.
    oracle : Oracle
    store : Store
    progress : callable, optional
        Called with (frames done, frames in all).

    Raises
    ------
    MlffError
        If the oracle fails on a frame; names it.
    """
    parts: list[Mapping[str, NDArray[Any]]] = []
    for start in range(0, len(frames), _CHUNK):
        portion = frames.select(slice(start, start + _CHUNK)).without_labels()
        parts.append(once(store, _portion(portion, oracle, start)))
        if progress is not None:
            progress(min(start + _CHUNK, len(frames)), len(frames))
    return LabelSet(
        np.concatenate([np.zeros(0), *(one["energy"] for one in parts)]),
        np.concatenate([np.zeros((0, 3)), *(one["forces"] for one in parts)]),
        float(sum(one["seconds"] for one in parts)),
    )


def computed_labels(frames: Frames, oracle: Oracle) -> LabelSet:
    """Label frames without a store.

    Raises
    ------
    MlffError
        If the oracle fails on a frame; names it.
    """
    found = _computed(frames, oracle, 0)
    return LabelSet(found["energy"], found["forces"], float(found["seconds"]))


def _portion(frames: Frames, oracle: Oracle, first: int) -> Product[Mapping[str, Any]]:
    key = {**oracle.key, "structures": frames.structure_digest}
    return Product("labels", key, ARRAYS, make=lambda: _computed(frames, oracle, first))


def _computed(frames: Frames, oracle: Oracle, first: int) -> Mapping[str, Any]:
    energies, forces = np.zeros(len(frames)), np.zeros((len(frames.numbers), 3))
    begun = time.process_time()
    calculator = oracle.make() if oracle.lasting else None
    for index, atoms in enumerate(frames):
        atoms.calc = calculator or oracle.make()
        try:
            energies[index] = atoms.get_potential_energy()
            forces[frames.offsets[index] : frames.offsets[index + 1]] = atoms.get_forces()
        except MlffError as error:
            raise MlffError(f"oracle {oracle.name}, frame {first + index}: {error}") from error
        except Exception as error:  # whatever a calculator of somebody else's has to say
            said = (str(error).splitlines() or [type(error).__name__])[0]
            raise MlffError(f"oracle {oracle.name}, frame {first + index}: {said}") from error
    if not (np.isfinite(energies).all() and np.isfinite(forces).all()):
        raise MlffError(f"oracle {oracle.name} gives labels that are not finite")
    seconds = np.array(time.process_time() - begun)
    return {"energy": energies, "forces": forces, "seconds": seconds}
