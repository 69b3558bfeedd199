"""torch-sim models (any ``ModelInterface``) as potentials, whole batches at once."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.potentials.device import full_precision
from pytest_mlff.potentials.failures import is_out_of_memory, one_line, raise_if_poisoned
from pytest_mlff.potentials.identity import installed_versions
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames


def is_torchsim_model(candidate: object) -> bool:
    """Whether an object is a torch-sim model; torch-sim is not imported to find out."""
    interface = sys.modules.get("torch_sim.models.interface")
    return interface is not None and isinstance(candidate, interface.ModelInterface)


@dataclass(frozen=True, eq=False)
class TorchSimPotential:
    """A torch-sim model (``ModelInterface``), whose digest is unknown.

    torch-sim knows one periodicity per batch, so frames are evaluated in groups of equal
    periodicity; isolated frames get a cell larger than the molecule, which means nothing.
    """

    info: PotentialInfo
    model: Any = field(repr=False)

    @classmethod
    def wrap(cls, model: Any, *, name: str, source: str) -> TorchSimPotential:
        """Wrap a model.

        Raises
        ------
        NotSupportedError
            If the model computes no forces.
        """
        if not getattr(model, "compute_forces", True):
            raise NotSupportedError(
                f"model source {source!r}: the torch-sim model {type(model).__name__} computes "
                "no forces (compute_forces is False)"
            )
        cutoff = getattr(model, "cutoff", None)
        info = PotentialInfo(
            name=name,
            family="torchsim",
            source=source,
            digest=None,
            species=None,
            cutoff=None if cutoff is None else float(cutoff),
            device=str(model.device),
            dtype=str(model.dtype).removeprefix("torch."),
            versions=installed_versions(
                "torch-sim-atomistic", "torch", type(model).__module__.partition(".")[0]
            ),
        )
        return cls(info, model)

    def predict(self, frames: Frames) -> Prediction:
        """Evaluate all of ``frames`` (see :class:`Potential`)."""
        kinds, group_of_frame = np.unique(frames.pbc, axis=0, return_inverse=True)
        energy = np.empty(len(frames))
        forces = np.empty((len(frames.numbers), 3))
        stress = np.full((len(frames), 3, 3), np.nan)
        any_stress = False
        for group in range(len(kinds)):
            chosen = np.flatnonzero(group_of_frame.reshape(-1) == group)
            part = frames if len(kinds) == 1 else frames.select(chosen)
            out = self._evaluate(part)
            energy[chosen] = out["energy"].reshape(-1)
            forces[np.isin(frames.frame_of_atom, chosen)] = out["forces"]
            if part.has_volume.any() and "stress" in out:
                any_stress = True
                # Of a slab the model saw another volume: that of a cell with its vacuum filled in.
                seen, given = (np.abs(np.linalg.det(one)) for one in (_cells(part), part.cell))
                scale = np.full(len(part), np.nan)
                np.divide(seen, given, out=scale, where=part.has_volume)
                stress[chosen] = out["stress"] * scale[:, None, None]
        return Prediction(energy, forces, stress if any_stress else None)

    def _evaluate(self, frames: Frames) -> dict[str, NDArray[np.float64]]:
        import torch
        from torch_sim.state import SimState

        device, dtype = self.model.device, self.model.dtype

        def real(array: NDArray[np.float64]) -> torch.Tensor:
            return torch.tensor(np.ascontiguousarray(array), dtype=dtype, device=device)

        def whole(array: NDArray[np.int64]) -> torch.Tensor:
            return torch.tensor(array, dtype=torch.int64, device=device)

        periodic = [bool(one) for one in frames.pbc[0]]
        try:
            # A bool serves every version of torch-sim; later ones take one per direction too.
            pbc: Any = periodic[0] if len(set(periodic)) == 1 else torch.tensor(periodic)
            state = SimState(
                positions=real(frames.positions),
                masses=real(_masses(frames)),
                # torch-sim keeps cell vectors as columns.
                cell=real(np.swapaxes(_cells(frames), 1, 2)),
                pbc=pbc if isinstance(pbc, bool) else pbc.to(device),
                atomic_numbers=whole(frames.numbers),
                system_idx=whole(frames.frame_of_atom),
            )
            with torch.enable_grad(), full_precision(str(device)):
                out = self.model(state)
        except MlffError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise_if_poisoned(error, self.info.name)
            raise MlffError(
                f"{self.info.name}: the torch-sim model raised {one_line(error)}"
            ) from error
        if "forces" not in out:
            raise NotSupportedError(f"{self.info.name}: the torch-sim model gives no forces")
        return {
            key: out[key].detach().to("cpu", torch.float64).numpy()
            for key in ("energy", "forces", "stress")
            if out.get(key) is not None
        }


def _masses(frames: Frames) -> NDArray[np.float64]:
    from ase.data import atomic_masses

    masses: NDArray[np.float64] = atomic_masses[frames.numbers]
    return masses


def _cells(frames: Frames) -> NDArray[np.float64]:
    """Cells with every missing vector filled in: models take volumes and inverses."""
    from ase.geometry import complete_cell

    complete: Any = complete_cell  # ASE has no types here
    cells = frames.cell.copy()
    for index in np.flatnonzero(~frames.pbc.all(axis=1)):
        start, stop = frames.offsets[index], frames.offsets[index + 1]
        extent = np.ptp(frames.positions[start:stop], axis=0).max() + 100.0
        cell = np.where(frames.pbc[index][:, None], cells[index], 0.0)
        full = np.asarray(complete(cell), dtype=np.float64)
        full[~frames.pbc[index]] *= extent
        cells[index] = full
    return cells
