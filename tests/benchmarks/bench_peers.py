"""The static path of other packages beside ours: the demo model on the same frames, in one run.

Each side is a process of its own, with the interpreter that it is installed in, and takes turns
with the others. It loads the model, evaluates a few frames that do not count, then all. Numbers
are held against the bare ASE loop, which is NequIP's own calculator, one structure after the other.

    python tests/benchmarks/bench_peers.py --python matcalc=VENV/bin/python --python ml_peg=…
        --python mlipaudit=… [--frames 200]

*Compiled* is the bare loop with the model as ``nequip-compile`` (AOTInductor) makes it, which takes
minutes that are not counted (``--compiled FILE`` takes one that was made before). A peer that is
not installed in its interpreter is said to be missing, and nothing is claimed of it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

SIDES = (
    "ase", "ase_compiled", "ase_boxed", "ours", "torch_sim", "nequip_test", "matcalc", "ml_peg",
    "mlipaudit",
)  # fmt: skip
WARM = 4


def frames_of(path: str) -> list[Any]:
    """Structures of the file that the parent wrote."""
    import ase

    with np.load(path) as held:
        return [ase.Atoms(held["numbers"], one) for one in held["positions"]]


def calculator_of(model: str) -> Any:
    """NequIP's own calculator, of a package or of what was compiled of it."""
    from nequip.ase import NequIPCalculator

    compiled = model.endswith(".pt2")
    make = NequIPCalculator.from_compiled_model if compiled else NequIPCalculator._from_saved_model
    return make(model, device="cpu")


def boxed(structures: list[Any]) -> None:
    """Lay molecules into boxes that no interaction reaches across."""
    for one in structures:
        one.cell, one.pbc = np.eye(3) * 40.0, True


def forces_ase(model: str, structures: list[Any]) -> Callable[[list[Any]], np.ndarray]:
    """NequIP's calculator, nothing around it."""
    calculator = calculator_of(model)

    def run(chosen: list[Any]) -> np.ndarray:
        found = []
        for one in chosen:
            one.calc = calculator
            found.append(one.get_forces())
        return np.concatenate(found)

    return run


def forces_ase_compiled(model: str, structures: list[Any]) -> Callable[[list[Any]], np.ndarray]:
    """The same with the compiled model."""
    return forces_ase(str(Path(model).with_suffix("").with_suffix(".nequip.pt2")), structures)


def forces_ase_boxed(model: str, structures: list[Any]) -> Callable[[list[Any]], np.ndarray]:
    """The same on molecules in boxes, which is what matcalc is given."""
    boxed(structures)
    return forces_ase(model, structures)


def forces_ours(model: str, structures: list[Any]) -> Callable[[list[Any]], np.ndarray]:
    """The prediction pass that every case uses."""
    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials import evaluate, load_potential

    potential = load_potential(model)

    def run(chosen: list[Any]) -> np.ndarray:
        positions = np.stack([one.positions for one in chosen])
        frames = Frames.of_one_molecule(chosen[0].numbers, positions)
        return np.asarray(evaluate(potential, frames).forces)

    return run


def forces_torch_sim(model: str, structures: list[Any]) -> Callable[[list[Any]], np.ndarray]:
    """``torch_sim.static`` with NequIP's own model for it, and its memory-aware batching."""
    import torch
    import torch_sim
    from nequip.integrations.torchsim import NequIPTorchSimCalc

    loaded = NequIPTorchSimCalc._from_saved_model(model, device="cpu")

    def run(chosen: list[Any]) -> np.ndarray:
        state = torch_sim.io.atoms_to_state(chosen, torch.device("cpu"), torch.float64)
        found = torch_sim.static(state, loaded)
        return np.concatenate([one["forces"].detach().numpy() for one in found])

    return run


def forces_matcalc(model: str, structures: list[Any]) -> Callable[[list[Any]], np.ndarray]:
    """``matcalc.backend.run_ase``, in a box, since it takes crystals alone."""
    from matcalc.backend._ase import run_ase

    calculator = calculator_of(model)
    boxed(structures)

    def run(chosen: list[Any]) -> np.ndarray:
        return np.concatenate([run_ase(one, calculator).forces for one in chosen])

    return run


def forces_nequip_test(model: str, structures: list[Any]) -> Callable[[list[Any]], np.ndarray]:
    """NequIP's ``run: [test]``: its data module, its metrics, Lightning's loop, batches of 32."""
    import logging

    import torch
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write
    from lightning import Callback, Trainer
    from nequip.data.datamodule import ASEDataModule
    from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
    from nequip.train import NequIPLightningModule
    from nequip.utils.global_state import set_global_state

    set_global_state()  # as nequip-train does: coordinates in float64
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    module = NequIPLightningModule(
        model={"_target_": "nequip.model.ModelFromPackage", "package_path": model,
               "compile_mode": "eager"},
        num_datasets={"train": 1, "val": 0, "test": 1, "predict": 0},
        test_metrics={"_target_": "nequip.train.EnergyForceMetrics"},
    )  # fmt: skip
    (network,) = module.model.values()
    transforms = [
        ChemicalSpeciesToAtomTypeMapper(list(network.type_names)),
        NeighborListTransform(float(network.metadata["r_max"])),
    ]

    class Kept(Callback):
        def __init__(self) -> None:
            self.forces: list[np.ndarray] = []

        def on_test_batch_end(self, trainer: Any, module: Any, outputs: Any, *rest: Any) -> None:
            self.forces.append(outputs["test_0_output"]["forces"].detach().numpy())

    def run(chosen: list[Any]) -> np.ndarray:
        with tempfile.TemporaryDirectory() as name:
            for one in chosen:  # the test stage asks for labels
                one.calc = SinglePointCalculator(one, energy=0.0, forces=0.0 * one.positions)
            write(f"{name}/test.traj", chosen)
            data = ASEDataModule(
                seed=0, test_file_path=f"{name}/test.traj", transforms=transforms,
                test_dataloader={"_target_": "torch.utils.data.DataLoader", "batch_size": 32},
            )  # fmt: skip
            kept = Kept()
            trainer = Trainer(
                accelerator="cpu", logger=False, enable_progress_bar=False, callbacks=[kept],
                inference_mode=False, default_root_dir=name, enable_model_summary=False,
            )  # fmt: skip
            torch.set_num_threads(1)
            trainer.test(module, datamodule=data, verbose=False)
        return np.concatenate(kept.forces)

    return run


def forces_ml_peg(model: str, structures: list[Any]) -> Callable[[list[Any]], np.ndarray]:
    """ml-peg's calculation path: the function that its symmetry benchmark calls on a structure."""
    from ml_peg.calcs.physicality.rotational_symmetry import calc_rotational_symmetry as peg

    calculator = calculator_of(model)

    def run(chosen: list[Any]) -> np.ndarray:
        found = (peg.evaluate(calculator, one.copy(), 0.0, np.eye(3)) for one in chosen)
        return np.concatenate([one.arrays["forces"] for one in found])

    return run


def forces_mlipaudit(model: str, structures: list[Any]) -> Callable[[list[Any]], np.ndarray]:
    """``mlipaudit.utils.run_inference``, which asks an ASE calculator for energies alone."""
    from mlipaudit.utils import run_inference

    calculator = calculator_of(model)

    def run(chosen: list[Any]) -> np.ndarray:
        found = []
        for one in chosen:
            (energy,) = run_inference([one], calculator)
            assert energy is not None
            found.append(one.get_forces())  # NequIP's calculator has them already
        return np.concatenate(found)

    return run


def child(side: str, model: str, frames: str, out: str) -> None:
    """Evaluate, and say how long it took and how much memory the process had at most."""
    import torch

    torch.set_num_threads(1)
    structures = frames_of(frames)
    started = time.perf_counter()
    run = globals()[f"forces_{side}"](model, structures)
    run(structures[:WARM])
    loaded = time.perf_counter() - started
    began, used = time.perf_counter(), time.process_time()
    forces = run(structures)
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    np.save(out, forces)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"load": loaded, "seconds": seconds, "processor": processor, "peak": peak}
    print(json.dumps(told))


def main() -> None:
    """Run all sides in turns and print a table of ratios to the bare loop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[], metavar="SIDE=INTERPRETER")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--sides", nargs="+", default=SIDES, help="`ase` first")
    parser.add_argument("--compiled", help="what nequip-compile made of the demo before")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(*options.child)
    from pytest_mlff.datasets.embedded import EMBEDDED_FOLDER, read_trajectory
    from pytest_mlff.potentials.loading import DEMO_MODEL

    interpreters = dict(one.split("=", 1) for one in options.python)
    trajectory = read_trajectory(EMBEDDED_FOLDER / "aspirin.npz")
    told: dict[str, list[dict[str, float]]] = {side: [] for side in options.sides}
    apart: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        frames, model = Path(name) / "frames.npz", Path(name) / "demo.nequip.zip"
        shutil.copy(DEMO_MODEL, model)
        if options.compiled is not None:
            shutil.copy(options.compiled, model.with_name("demo.nequip.pt2"))
        elif "ase_compiled" in options.sides:
            subprocess.run(
                [sys.executable, "-m", "nequip.scripts.compile", str(model),
                 str(model.with_name("demo.nequip.pt2")), "--mode", "aotinductor",
                 "--device", "cpu", "--target", "ase"],
                capture_output=True, check=False,
            )  # fmt: skip
        chosen = trajectory.positions[:: len(trajectory.positions) // options.frames]
        np.savez(frames, numbers=trajectory.numbers, positions=chosen[: options.frames])
        for _ in range(options.repetitions):
            for side in options.sides:
                out = Path(name) / f"{side}.npy"
                done = subprocess.run(
                    [interpreters.get(side, sys.executable), __file__, "--child", side,
                     str(model), str(frames), str(out)],
                    env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
                    check=False,
                )  # fmt: skip
                if done.returncode:
                    print(f"{side}: {done.stderr.strip().splitlines()[-1]}", flush=True)
                    continue
                told[side].append(json.loads(done.stdout.splitlines()[-1]))
                print(side, told[side][-1], flush=True)
                apart[side] = float(
                    np.abs(np.load(out) - np.load(frames.with_name("ase.npy"))).max()
                )
    print(f"{options.frames} frames of aspirin, {options.repetitions} turns, one thread")
    for side, found in told.items():
        if not found:
            continue
        ratios = sorted(
            bare["processor"] / one["processor"]
            for one, bare in zip(found, told["ase"], strict=False)
        )
        each = 1000 * statistics.median(one["processor"] for one in found) / options.frames
        print(
            f"| {side} | {each:.2f} | {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f}–{ratios[-1]:.2f}) | {max(one['peak'] for one in found):.0f} | "
            f"{apart[side]:.1e} |"
        )
    return None


if __name__ == "__main__":
    main()
