"""Draw ``terminal.svg`` and ``gate.svg``: real runs on faulty models, as a terminal shows them.

Run as ``python docs/figures/terminal.py [terminal] [gate]`` with this package's ``nequip`` extra
and rich.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 108
MODELS = """\
from nequip.ase import NequIPCalculator

from pytest_mlff.potentials.loading import DEMO_MODEL


class Scaled(NequIPCalculator):
    factors = {}

    def calculate(self, atoms=None, *arguments, **settings):
        super().calculate(atoms, *arguments, **settings)
        self.results["forces"] *= self.factors.get(atoms.get_chemical_formula(), FACTOR)


def scaled(**factors):
    made = Scaled._from_saved_model(str(DEMO_MODEL), device="cpu")
    made.factors = factors
    return made


def main():
    return scaled(C7H8=1.02)


def candidate():
    return scaled(C9H8O4=1.02, C2H6O=1.004)
"""
"""The demo model with forces that are too large: on some molecules, or by a factor on all."""
PICTURES = {
    # Forces two per cent too large are not the gradient of their energy.
    "terminal": (
        "1.02",
        "pytest --mlff-model=candidate.py:candidate --mlff-suite=laws/rotation"
        " --mlff-suite=laws/force_consistency",
    ),
    # Worse on aspirin, hardly on ethanol, better on toluene, the same on the rest.
    "gate": (
        "1.0",
        "pytest --mlff-model=candidate.py:main --mlff-suite=gate --mlff-report=main.json",
        "pytest --mlff-model=candidate.py:candidate --mlff-suite=gate --mlff-baseline=main.json"
        " --tb=no",
    ),
}
"""Of each picture the factor on other molecules and the commands, of which it shows the last."""


def output_of(commands: tuple[str, ...], models: str) -> str:
    """What the last command writes, without what tells of the machine that drew it."""
    environment = {**os.environ, "COLUMNS": str(WIDTH), "PY_COLORS": "1"}
    for name in ("CI", "GITHUB_ACTIONS"):
        environment.pop(name, None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "my-model"
        folder.mkdir()
        (folder / "candidate.py").write_text(models)
        # The last one twice: what is stored takes no time, and needs no line of progress.
        for command in (*commands, commands[-1]):
            shown = subprocess.run(
                [sys.executable, "-m", *command.split(), "-p", "no:cacheprovider"],
                cwd=folder, env=environment, capture_output=True, text=True, check=False,
            ).stdout  # fmt: skip
        shown = re.sub(r"rootdir: .*", "rootdir: my-model", shown)
        shown = re.sub(r"\nplugins: .*", "", shown)
        shown = re.sub(r"\n[^\n]*mlff: [^\n]* has computed for [^\n]*", "", shown)
        return shown.replace(f"{folder}/", "")


def draw(target: Path, command: str, shown: str) -> None:
    """Write an SVG of a command and its output."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(shown.rstrip()))
    svg = console.export_svg(title="pytest_mlff")
    # A picture that asks no server for anything: whatever monospaced font the reader has.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg).replace("Fira Code,", "")
    target.write_text(svg, encoding="utf-8")
    print(target)


def main() -> None:
    """Run, record, write."""
    for name in sys.argv[1:] or PICTURES:
        factor, *commands = PICTURES[name]
        shown = output_of(tuple(commands), MODELS.replace("FACTOR", factor))
        draw(Path(__file__).with_name(f"{name}.svg"), commands[-1], shown)


if __name__ == "__main__":
    main()
