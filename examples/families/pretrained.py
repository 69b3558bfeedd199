"""Pretrained models whose weights ship inside their packages, as calculators for cards.

Each runs in an environment of its own: ``sevenn==0.13.0``, ``chgnet==0.4.2``, ``torchani==2.2.4``,
all beside ``torch==2.13.0``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def sevennet0(device: str = "cpu") -> Any:
    """SevenNet-0 (Park et al., J. Chem. Theory Comput. 2024, 20, 4857)."""
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator("7net-0", device=device)


def chgnet(device: str = "cpu") -> Any:
    """CHGNet 0.3.0 (Deng et al., Nat. Mach. Intell. 2023, 5, 1031); crystals only."""
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device=device)


def ani1x() -> Any:
    """ANI-1x (Smith et al., J. Chem. Phys. 2018, 148, 241733); H, C, N, O."""
    import torchani
    from torchani import models, neurochem

    there = Path(torchani.__file__).parent / "resources" / "ani-1x_8x"

    # The wheel has the weights, but the file that says where they lie is empty.
    def found(_: str) -> tuple[str, str, str, int]:
        names = ("rHCNO-5.2R_16-3.5A_a4-8.params", "sae_linfit.dat", "train")
        first, second, third = (str(there / name) for name in names)
        return first, second, third, 8

    for place in (models, neurochem):
        if hasattr(place, "parse_neurochem_resources"):
            place.parse_neurochem_resources = found
    return models.ANI1x().ase()
