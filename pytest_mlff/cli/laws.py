"""``mlff laws``: list the laws, prove them, measure a counterexample again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlff.laws.counterexample import Counterexample
    from pytest_mlff.potentials.protocol import Potential

_BROKEN = 1


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``laws list | selftest | repro`` and ``laws --selftest``."""
    parser = subparsers.add_parser("laws", help="physical laws: list, prove, reproduce")
    parser.add_argument(
        "--selftest",
        action="store_true",
        help="try every law on exact potentials and on mutants, and find how small a fault it sees",
    )
    parser.add_argument("--quick", action="store_true", help="without the detection limits")
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="with --selftest: mutants and exact potentials in N seeds, float64 and float32",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of everything drawn (default: 0)")
    commands = parser.add_subparsers(dest="laws_command", metavar="COMMAND")
    parser.set_defaults(
        run=lambda arguments: (
            selftest(arguments.seed, limits=not arguments.quick, seeds=arguments.seeds)
            if arguments.selftest
            else list_laws()
        )
    )

    listing = commands.add_parser("list", help="list the laws")
    listing.set_defaults(run=lambda _arguments: list_laws())

    again = commands.add_parser("repro", help="measure a counterexample again")
    again.add_argument("path", type=Path, metavar="FILE", help="extxyz file of a counterexample")
    again.add_argument("--model", required=True, metavar="SOURCE", help="as for --mlff-model")
    again.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    again.add_argument("--dtype", help="float32 or float64 (default: the model's own)")
    again.set_defaults(
        run=lambda arguments: repro(
            arguments.path, arguments.model, arguments.device, arguments.dtype
        )
    )


def list_laws() -> int:
    """Print each law's id and what it asserts."""
    from pytest_mlff.laws.registry import laws

    width = max(len(name) for name in laws())
    for name, law in laws().items():
        print(f"{name:<{width}}  {law.title}")
    return 0


def selftest(seed: int = 0, *, limits: bool = True, seeds: int = 1) -> int:
    """Print the matrix potential × law, the detection limits and, for several seeds, the counts.

    1 if a check failed its proof: a mutant was missed or an exact potential was not passed.
    """
    from pytest_mlff.laws import selftest as proofs
    from pytest_mlff.laws.mutants import FAULTS

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{done}/{total}", end=end, file=sys.stderr, flush=True)

    found = proofs.matrix(seed=seed, progress=progress)
    print(f"Exact potentials, and Lennard-Jones with one gross fault each, float64, seed {seed}")
    print(proofs.format_matrix(found))
    if limits:
        print("\nSmallest strength that the fault's own law catches")
        print(proofs.format_limits(proofs.detection_limits(seed=seed, progress=progress)))
    missed = [name for name, kind in FAULTS.items() if found[name][kind.law] != "caught"]
    alarms = [name for name in proofs.EXACT if "caught" in found[name].values()]
    print(
        f"\n{len(FAULTS) - len(missed)} of {len(FAULTS)} mutants caught by their law; "
        f"{len(alarms)} of {len(proofs.EXACT)} exact potentials with a false alarm"
    )
    wrong: list[str] = []
    if seeds > 1:
        caught, passed = proofs.over_seeds(range(seed, seed + seeds), progress=progress)
        print(
            f"\nSeeds {seed} to {seed + seeds - 1}, float64 and float32: "
            f"{caught.right} of {caught.total} runs of a mutant against its law caught it; "
            f"{passed.right} of {passed.total} runs of a law on an exact potential passed"
        )
        wrong += [f"missed: {one}" for one in caught.wrong]
        wrong += [f"false alarm or error: {one}" for one in passed.wrong]
        print("\n".join(wrong) or "nothing was missed, no false alarm")
    return _BROKEN if missed or alarms or wrong else 0


def repro(path: Path, model: str, device: str = "auto", dtype: str | None = None) -> int:
    """Measure a counterexample again; 1 if it still breaks the law."""
    from pytest_mlff.laws.counterexample import read_counterexample
    from pytest_mlff.laws.runner import measure_again
    from pytest_mlff.laws.trial import NonFiniteError

    found: Counterexample = read_counterexample(path)
    potential: Potential = _load(model, device, dtype)
    print(f"{found.law} on {potential.info.name}: {found.description}")
    for key, value in sorted(found.parameters.items()):
        print(f"  {key} = {value}")
    try:
        reading = measure_again(found, potential)
    except NonFiniteError as error:
        print(f"broken: {error}")
        return _BROKEN
    broken = reading.excess > 1.0
    print(f"{'broken' if broken else 'holds'}: {reading.headline}")
    print("".join(f"  {fact}\n" for fact in reading.facts), end="")
    return _BROKEN if broken else 0


def _load(model: str, device: str, dtype: str | None) -> Potential:
    # Mutants and exact potentials can be named too, so that a proof can be repeated.
    from pytest_mlff.laws.selftest import built_in

    known = built_in(model)
    if known is not None:
        return known
    from pytest_mlff.potentials.process import open_potential

    return open_potential(model, device=device, dtype=dtype, cwd=Path.cwd())
