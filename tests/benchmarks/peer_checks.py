"""Which of our mutants other packages' own checks of symmetry see.

Each mutant is a sound potential (Morse pairs) with one fault, and its law catches it here
(``mlff laws selftest``). ml-peg's calculations of *physicality* are run on it as they stand; what
they write is measured as their analysis does, and a mutant is *seen* where a metric is at or beyond
the worst value of its scale, or is no number. NequIP's model tests take networks of NequIP alone;
of them those are called that ask for no more than inputs and outputs. The sound potential itself
must pass them all. matcalc, mlipaudit and torch-sim have no such check.

    VENV_OF_ML_PEG/bin/python tests/benchmarks/peer_checks.py ml_peg
    python tests/benchmarks/peer_checks.py nequip
"""

from __future__ import annotations

import contextlib
import copy
import os
import sys
import tempfile
import warnings
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.io import read

from pytest_mlff.datasets.frames import Frames
from pytest_mlff.laws.exact import morse
from pytest_mlff.laws.mutants import FAULTS, Mutant

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mlff.potentials.protocol import Potential

SPECIES = ("H", "C", "N", "O", "S", "Ne", "Al", "Ni")


class Asked(Calculator):
    """A potential of ours as an ASE calculator."""

    implemented_properties = ("energy", "forces")

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential

    def __copy__(self) -> Asked:
        return Asked(self.potential)

    def calculate(
        self, atoms: Any = None, properties: Any = (), changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, changes)
        bare = atoms.copy()
        bare.info, bare.calc = {}, None
        found = self.potential.predict(Frames.from_atoms([bare]))
        self.results = {"energy": float(found.energy[0]), "forces": found.forces}


# --- ml-peg -----------------------------------------------------------------------------------


def moved(folder: Path, forces: str) -> float:
    """Largest change of energy (meV/atom) or forces (MAE, meV/Å) between neighbours in a file."""
    largest = []
    for path in sorted(folder.glob("*.xyz")):
        frames = read(path, ":")
        reference = frames[:1] * len(frames) if forces == "forces" else frames
        for one, other in zip(reference, frames[1:], strict=False):
            change = abs(one.get_potential_energy() - other.get_potential_energy()) / len(one)
            first, second = (
                each.get_forces() if forces == "forces" else each.arrays[forces]
                for each in (one, other)
            )
            largest += [change, np.abs(first - second).mean()]
    return 1000 * float(np.max(largest))


def antisymmetric(folder: Path) -> float:
    """Largest share of the Jacobian of the forces that is antisymmetric."""
    shares = []
    for path in sorted(folder.glob("*.xyz")):
        forces = np.array([one.get_forces().ravel() for one in read(path, ":")])
        jacobian = -(forces[0::2] - forces[1::2]).T / 2e-3
        shares.append(np.linalg.norm(jacobian - jacobian.T) / 2 / np.linalg.norm(jacobian))
    return float(np.max(shares))


def not_extensive(folder: Path) -> float:
    """Energy of two slabs together less those apart, meV."""
    one, other, both = (each.get_potential_energy() for each in read(folder / "slabs.xyz", ":"))
    return 1000 * abs(both - one - other)


def not_local(folder: Path) -> float:
    """Change of the solute's forces by what is far away, meV/Å."""
    changes = []
    for path in folder.glob("*.xyz"):
        alone, *others = read(path, ":")
        for one in others:
            away = one.get_forces()[: len(alone)] - alone.get_forces()
            changes.append(np.linalg.norm(away, axis=1).max())
    return 1000 * float(np.max(changes))


ML_PEG: dict[str, Callable[[Path], float]] = {
    "rotational_symmetry": lambda folder: moved(folder, "forces_original_frame"),
    "translational_symmetry": lambda folder: moved(folder, "forces"),
    "jacobian_symmetry": antisymmetric,
    "extensivity": not_extensive,
    "locality": not_local,
}


def ml_peg(potential: Potential) -> list[str]:
    """Checks of ml-peg that see a fault of ``potential``."""
    import ml_peg as package
    import yaml

    seen = []
    model = SimpleNamespace(get_calculator=lambda **_: Asked(potential))
    for name, measured in ML_PEG.items():
        calculation = import_module(f"ml_peg.calcs.physicality.{name}.calc_{name}")
        config = Path(package.__file__).parent / f"analysis/physicality/{name}/metrics.yml"
        worst = min(one["bad"] for one in yaml.safe_load(config.read_text())["metrics"].values())
        with tempfile.TemporaryDirectory() as folder:
            calculation.OUT_PATH = Path(folder)
            if name == "locality":
                solute = calculation.smiles_to_ase("CC(=O)C")
                solute.set_cell([60.0] * 3)
                solute.center()
                solute.pbc = True
                solute.calc = Asked(potential)
                solute.get_forces()
                calculation.test_ghost_atoms({"m": solute}, "m")
                calculation.test_rand_h({"m": solute}, "m")
            else:
                getattr(calculation, f"test_{name}")(("m", model))
            found = measured(Path(folder) / "m")
        if not found < worst:
            seen.append(f"{name} ({found:.3g})")
    return seen


# --- NequIP -----------------------------------------------------------------------------------


def network_of(potential: Potential) -> Any:
    """A potential of ours as a module of NequIP."""
    import torch
    from ase.data import atomic_numbers
    from nequip.data import AtomicDataDict
    from nequip.nn import GraphModuleMixin

    numbers = np.array([atomic_numbers[one] for one in ("H", "C", "O")])

    class Network(GraphModuleMixin, torch.nn.Module):
        model_dtype = torch.float64

        def __init__(self) -> None:
            super().__init__()
            self._init_irreps(
                irreps_in={"pos": "1o"}, irreps_out={"total_energy": "0e", "forces": "1o"}
            )

        def forward(self, data: Any) -> Any:
            kinds = numbers[data[AtomicDataDict.ATOM_TYPE_KEY].numpy().ravel()]
            where = data[AtomicDataDict.POSITIONS_KEY].detach().numpy()
            batch = data.get(AtomicDataDict.BATCH_KEY)
            index = np.zeros(len(where), int) if batch is None else batch.numpy()
            import ase

            structures = [
                ase.Atoms(kinds[index == one], where[index == one])
                for one in range(index.max() + 1)
            ]
            found = potential.predict(Frames.from_atoms(structures))
            return data | {
                "total_energy": torch.tensor(found.energy)[:, None],
                "forces": torch.tensor(found.forces),
            }

    return Network()


def nequip(potential: Potential) -> list[str]:
    """Tests of NequIP's that see a fault of ``potential``."""
    import torch
    from ase.build import molecule
    from nequip.data import AtomicDataDict, compute_neighborlist_, from_ase
    from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper
    from nequip.utils.test import assert_AtomicData_equivariant
    from nequip.utils.unittests.model_tests_basic import EnergyModelTestsMixin as Tests

    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    np.random.seed(0)
    network = network_of(potential)
    mapper = ChemicalSpeciesToAtomTypeMapper(["H", "C", "O"])
    structures = [molecule("CH3OH"), molecule("C2H4")]
    for one in structures:
        one.rattle(0.05, seed=1)
    data = [mapper(compute_neighborlist_(from_ase(one), r_max=5.0)) for one in structures]
    fields = ["total_energy", "forces"]
    # What a test asks its own class for: names of fields, and the cutoff.
    case = SimpleNamespace(
        total_energy_keys=lambda: fields[:1], force_keys=lambda: fields[1:],
        per_atom_energy_keys=list, _r_max_from_model=lambda _: 5.0,
    )  # fmt: skip
    both = AtomicDataDict.batched_from_list([copy.copy(one) for one in data])
    tests: dict[str, Callable[[], Any]] = {
        "equivariance": lambda: assert_AtomicData_equivariant(network, copy.copy(data[0])),
        "numeric_gradient": lambda: Tests.test_numeric_gradient(
            case, (network, None, fields), copy.deepcopy(data[0]), "cpu"
        ),
        "large_separation": lambda: Tests.test_large_separation(
            case, (network, None, fields), structures, "cpu"
        ),
        "batch": lambda: Tests.test_batch(case, (network, None, fields), both),
    }
    seen = []
    for name, test in tests.items():
        try:
            test()
        except AssertionError:
            seen.append(name)
    return seen


def main() -> None:
    """One line a mutant."""
    warnings.simplefilter("ignore")
    check = {"ml_peg": ml_peg, "nequip": nequip}[sys.argv[1]]
    sound = morse(SPECIES)
    with Path(os.devnull).open("w") as sink, contextlib.redirect_stderr(sink):
        print(f"sound: {', '.join(check(sound)) or '–'}", flush=True)
        for name, kind in FAULTS.items():
            found = check(Mutant(sound, kind))
            print(f"| `{name}` | {kind.title} | {', '.join(found) or '–'} |", flush=True)


if __name__ == "__main__":
    main()
