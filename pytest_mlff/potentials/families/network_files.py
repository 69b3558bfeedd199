"""Files of networks: weights and plain settings of a family that is trained from a script.

Such a file holds tensors, numbers and texts alone, so opening it runs no code of its own. What it
is built with has to be installed where it is opened: in the model card's interpreter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from pytest_mlff.entry_points import named_object
from pytest_mlff.errors import MlffError, NotSupportedError
from pytest_mlff.potentials.device import full_precision
from pytest_mlff.potentials.families.networks.batch import batch_of
from pytest_mlff.potentials.identity import installed_versions
from pytest_mlff.potentials.protocol import PotentialInfo, Prediction
from pytest_mlff.store import file_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.adapters import LoadOptions

_HERE: Final = "pytest_mlff.potentials.families.networks"

FAMILIES: Final[Mapping[str, tuple[str, str]]] = {
    "mace": (f"{_HERE}.mace:mace", "mace-torch"),
    "botnet": (f"{_HERE}.mace:botnet", "mace-torch"),
    "torchmd-net": (f"{_HERE}.torchmd:torchmd", "torchmd-net"),
    "equiformer": (f"{_HERE}.equiformer:equiformer", "equiformer-pytorch"),
}
"""What builds each family's network, and the distribution that it needs."""

FORMAT: Final = "pytest_mlff network 1"


class NetworkModel(torch.nn.Module):
    """Energies of a family's network, with their scale and energies of single atoms.

    Parameters
    ----------
    family : str
        One of :data:`FAMILIES`.
    settings : mapping
        Of the network; see its file.
    species : tuple of int
        Atomic numbers, ascending.
    cutoff : float
        Å.
    scale : float
        eV that one unit of the network means.
    atomic_energies : sequence of float
        eV, one a species.

    Raises
    ------
    MlffError
        If the family is unknown, is not installed, or refuses the settings.
    """

    scale: torch.Tensor
    atomic_energies: torch.Tensor

    def __init__(
        self,
        family: str,
        settings: Mapping[str, Any],
        species: tuple[int, ...],
        cutoff: float,
        *,
        scale: float = 1.0,
        atomic_energies: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__()
        if family not in FAMILIES:
            raise MlffError(f"unknown family of networks {family!r} ({', '.join(FAMILIES)})")
        place, needed = FAMILIES[family]
        try:
            self.network = named_object(place)(settings, species, cutoff)
        except ImportError as error:
            raise MlffError(
                f"a network of {family} needs {needed} where it is opened ({error}); name an "
                "interpreter that has it as `python` in a model card or recipe"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise MlffError(f"settings of a {family} network: {error!r}") from error
        self.family, self.settings = family, dict(settings)
        self.species, self.cutoff = species, cutoff
        energies = np.zeros(len(species)) if atomic_energies is None else atomic_energies
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        self.register_buffer("atomic_energies", torch.tensor(energies, dtype=torch.float64))

    @property
    def types(self) -> NDArray[np.int64]:
        """Place of each species by atomic number, -1 where the model knows none."""
        table = np.full(119, -1, dtype=np.int64)
        table[list(self.species)] = np.arange(len(self.species))
        return table

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in."""
        kind: torch.dtype = next(self.network.parameters()).dtype
        return kind

    def evaluate(
        self, frames: Frames, *, train: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Energies (n_frames,) in eV, forces (n_total, 3) in eV/Å, derivatives by symmetric strain.

        The last, (n_frames, 3, 3) in eV, is None without periodic frames. With ``train``, what a
        further derivative, of a loss, needs is kept.
        """
        device = str(self.scale.device)
        batch = batch_of(frames, self.types, self.cutoff, device, self.dtype)
        positions = batch.positions.requires_grad_()
        wanted = [positions]
        moved = positions
        if frames.has_volume.any():
            strain = positions.new_zeros((len(frames), 3, 3)).requires_grad_()
            both = 0.5 * (strain + strain.transpose(1, 2))
            moved = positions + torch.einsum("ax,axy->ay", positions, both[batch.frame])
            at_edge = both[batch.frame[batch.edges[0]]]
            shifts = batch.shifts + torch.einsum("ex,exy->ey", batch.shifts, at_edge)
            batch = replace(batch, shifts=shifts)
            wanted.append(strain)
        raw = self.network(replace(batch, positions=moved))
        slopes = torch.autograd.grad(raw.sum(), wanted, create_graph=train, allow_unused=True)
        found = [
            torch.zeros_like(one) if slope is None else slope
            for one, slope in zip(wanted, slopes, strict=True)
        ]
        scale = self.scale.to(self.dtype)
        alone = self.atomic_energies[batch.types]
        energy = torch.zeros(len(frames), dtype=torch.float64, device=device)
        energy = energy.index_add(0, batch.frame, alone) + self.scale * raw.to(torch.float64)
        return energy, -scale * found[0], scale * found[1] if len(found) > 1 else None


@dataclass(frozen=True, eq=False)
class NetworkPotential:
    """A network as a potential, whole batches at once."""

    info: PotentialInfo
    model: NetworkModel = field(repr=False)

    def predict(self, frames: Frames) -> Prediction:
        """Evaluate all of ``frames`` as one batch (see :class:`Potential`)."""
        present = np.unique(frames.numbers)
        unknown = [int(z) for z in present if z >= 119 or self.model.types[z] < 0]
        if unknown:
            raise NotSupportedError(
                f"{self.info.name}: the model knows no element {', '.join(map(str, unknown))} "
                f"(it knows {', '.join(self.info.species or ())})"
            )
        if frames.pbc.any() and not self.model.network.periodic:
            raise NotSupportedError(f"{self.info.name}: {self.info.family} takes no periodic cells")
        with torch.enable_grad(), full_precision(self.info.device):
            energy, forces, strain = self.model.evaluate(frames)

        def array(tensor: torch.Tensor) -> NDArray[np.float64]:
            out: NDArray[np.float64] = tensor.detach().to("cpu", torch.float64).numpy()
            return out

        stress = None
        if strain is not None:
            volume = np.abs(np.linalg.det(frames.cell))
            volume[~frames.has_volume] = np.nan
            stress = array(strain) / volume[:, None, None]
        return Prediction(array(energy), array(forces), stress)


def save_network(model: NetworkModel, path: Path) -> None:
    """Write a network's file."""
    content = {
        "format": FORMAT,
        "family": model.family,
        "settings": model.settings,
        "species": list(model.species),
        "cutoff": model.cutoff,
        "weights": model.state_dict(),
    }
    torch.save(content, path)


def open_network(path: Path, options: LoadOptions) -> NetworkPotential:
    """Open a network's file.

    Raises
    ------
    MlffError
        If the file is damaged, or its family is not installed here.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        family, species = content["family"], tuple(content["species"])
        settings, cutoff, weights = content["settings"], content["cutoff"], content["weights"]
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}, expected {FORMAT!r}")
    except Exception as error:  # torch raises whatever the broken bytes lead to
        raise MlffError(f"{path}: no file of a network ({error})") from error
    model = NetworkModel(family, settings, species, cutoff)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        line = str(error).splitlines()[0]
        raise MlffError(f"{path}: weights do not fit the installed {family}: {line}") from error
    # Torch builds in its default format, which is not that of the file. Scale and energies of
    # atoms stay in float64 whatever the network computes in.
    own = next(weights[f"network.{name}"].dtype for name, _ in model.network.named_parameters())
    model.network.to(own if options.dtype is None else getattr(torch, options.dtype))
    model.to(options.device).eval()
    for one in model.parameters():
        one.requires_grad_(False)
    from ase.data import chemical_symbols

    info = PotentialInfo(
        name=options.name,
        family=family,
        source=options.source,
        digest=file_digest(path),
        species=tuple(chemical_symbols[z] for z in species),
        cutoff=None if family == "equiformer" else cutoff,
        device=options.device,
        dtype=str(model.dtype).removeprefix("torch."),
        versions=installed_versions("torch", FAMILIES[family][1], "e3nn"),
        capabilities={"periodic": bool(model.network.periodic)},
    )
    return NetworkPotential(info, model)
