"""Draw ``terminal.svg``: a real run on a model with a fault, as the terminal shows it.

Run as ``python docs/figures/terminal.py`` with this package's ``nequip`` extra and rich.
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

COMMAND = (
    "pytest --mlff-model=candidate.py:make --mlff-suite=laws/rotation"
    " --mlff-suite=laws/force_consistency"
)
WIDTH = 100
CANDIDATE = """\
from nequip.ase import NequIPCalculator

from pytest_mlff.potentials.loading import DEMO_MODEL


class Scaled(NequIPCalculator):
    def calculate(self, *arguments, **settings):
        super().calculate(*arguments, **settings)
        self.results["forces"] = 1.02 * self.results["forces"]


def make():
    return Scaled._from_saved_model(str(DEMO_MODEL), device="cpu")
"""
"""The demo model with forces that are two per cent too large, and so not its energy's gradient."""


def main() -> None:
    """Run, record, write."""
    environment = {**os.environ, "COLUMNS": str(WIDTH), "PY_COLORS": "1"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "my-model"
        folder.mkdir()
        (folder / "candidate.py").write_text(CANDIDATE)
        shown = subprocess.run(
            [sys.executable, "-m", *COMMAND.split(), "-p", "no:cacheprovider"],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        # Which folder this was drawn in is nobody's business.
        shown = re.sub(r"rootdir: .*", "rootdir: my-model", shown)
        shown = re.sub(r"\nplugins: .*", "", shown)
        shown = shown.replace(f"{folder}/", "")
        # How busy the machine was that drew it, either.
        shown = re.sub(r"\nmlff: .* has computed for .*", "", shown)
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(Text(f"$ {COMMAND}", style="bold"))
    console.print(Text.from_ansi(shown.rstrip()))
    target = Path(__file__).with_name("terminal.svg")
    svg = console.export_svg(title="pytest_mlff")
    # A picture that asks no server for anything: whatever monospaced font the reader has.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg).replace("Fira Code,", "")
    target.write_text(svg, encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
