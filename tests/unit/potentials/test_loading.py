"""load_potential: bad input in one line, missing libraries, adapters that are passed in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials import (
    LoadOptions,
    Potential,
    PotentialInfo,
    Prediction,
    load_potential,
)

if TYPE_CHECKING:
    from pathlib import Path

    from support.tiny_nequip import TinyNequip

    from pytest_mlff.datasets.frames import Frames
    from pytest_mlff.potentials.detect import FileKind


@pytest.mark.parametrize(
    "source, part",
    [
        ("none.ckpt", "no such checkpoint"),
        ("folder", "is a directory"),
        ("text.pth", "not a checkpoint that any adapter knows (looks like: text file"),
        ("empty.pth", "looks like: empty file"),
        ("nequip:text.pth", "not a NequIP file (looks like: text file)"),
        ("wrong:text.pth", "unknown adapter 'wrong'; choices: nequip"),
        ("empty.yaml", "is empty"),
        ("recipe.yaml", "is a recipe, which is trained per fixture variant"),
        ("{variant}.ckpt", "one checkpoint per fixture variant"),
    ],
)
def test_bad_sources_are_one_line(tmp_path: Path, source: str, part: str) -> None:
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "empty.pth").write_text("")
    (tmp_path / "recipe.yaml").write_text("trainer: nequip\n")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MlffError) as caught:
        load_potential(source, cwd=tmp_path)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0.3, 0.95])
@pytest.mark.parametrize("form", ["checkpoint", "package"])
def test_truncated_files(tiny_nequip: TinyNequip, tmp_path: Path, form: str, kept: float) -> None:
    content = getattr(tiny_nequip, form).read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(content[: int(kept * len(content))])
    for source in ("cut.ckpt", "nequip:cut.ckpt"):
        with pytest.raises(MlffError, match="truncated or damaged zip archive"):
            load_potential(source, cwd=tmp_path)


def test_a_damaged_checkpoint_inside_a_whole_zip(tiny_nequip: TinyNequip, tmp_path: Path) -> None:
    import torch

    content = torch.load(tiny_nequip.checkpoint, weights_only=True)
    del content["state_dict"]["model.sole_model.model.func.type_embed.embed_module.weight"]
    torch.save(content, tmp_path / "holes.ckpt")
    with pytest.raises(MlffError, match="NequIP cannot open it") as caught:
        load_potential("holes.ckpt", cwd=tmp_path)
    assert "\n" not in str(caught.value)


def test_devices_and_dtypes(tiny_nequip: TinyNequip, tmp_path: Path) -> None:
    shutil.copy(tiny_nequip.checkpoint, tmp_path / "a.ckpt")
    with pytest.raises(MlffError, match="unknown device 'gpu'; choices: auto, cpu, cuda"):
        load_potential("a.ckpt", cwd=tmp_path, device="gpu")
    with pytest.raises(MlffError, match="unknown dtype 'float16'; choices: float32, float64"):
        load_potential("a.ckpt", cwd=tmp_path, dtype="float16")


def test_cuda_without_a_gpu(
    tiny_nequip: TinyNequip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    shutil.copy(tiny_nequip.checkpoint, tmp_path / "a.ckpt")
    with pytest.raises(MlffError, match="use --mlff-device=cpu or auto") as caught:
        load_potential("a.ckpt", cwd=tmp_path, device="cuda")
    assert "\n" not in str(caught.value)
    assert load_potential("a.ckpt", cwd=tmp_path, device="auto").info.device == "cpu"


@pytest.mark.parametrize("missing", ["nequip", "torch"])
def test_a_family_that_is_not_installed(
    tiny_nequip: TinyNequip, tmp_path: Path, missing: str
) -> None:
    """In a process of its own, where the import fails."""
    shutil.copy(tiny_nequip.checkpoint, tmp_path / "ckpt.pth")
    script = f"""
import sys
sys.modules[{missing!r}] = None
from pytest_mlff.errors import MissingExtraError
from pytest_mlff.potentials import load_potential
try:
    load_potential("ckpt.pth")
except MissingExtraError as error:
    print(error.module, error.extra, str(error).count(chr(10)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
    )  # fmt: skip
    assert done.stdout.split() == [missing, "nequip", "0"], done.stderr


def test_importing_the_room_imports_no_heavy_library() -> None:
    script = (
        "import sys; import pytest_mlff.potentials; "
        "print([m for m in ('torch','ase','nequip','torch_sim','pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


@dataclass(frozen=True)
class _Constant:
    info: PotentialInfo

    def predict(self, frames: Frames) -> Prediction:
        return Prediction(np.zeros(len(frames)), np.zeros_like(frames.positions))


@dataclass(frozen=True)
class _TextAdapter:
    family: str = "text"
    extra: str = "text"

    def recognises(self, kind: FileKind) -> bool:
        return kind.format == "text"

    def load(self, kind: FileKind, options: LoadOptions) -> Potential:
        assert kind.path.is_file()
        return _Constant(
            PotentialInfo(
                options.name, self.family, options.source, None, None, None, options.device,
                options.dtype or "float64", {},
            )
        )  # fmt: skip


@pytest.mark.parametrize("source", ["my.model-v1.2.ckpt", "text:my.model-v1.2.ckpt"])
def test_an_adapter_from_outside(tmp_path: Path, source: str) -> None:
    (tmp_path / "my.model-v1.2.ckpt").write_text("weights")
    potential = load_potential(source, cwd=tmp_path, adapters=[_TextAdapter()], device="cpu")
    assert (potential.info.family, potential.info.source) == ("text", source)
    assert potential.info.name == "my.model-v1.2"


def test_one_checkpoint_per_variant(tiny_nequip: TinyNequip, tmp_path: Path) -> None:
    shutil.copy(tiny_nequip.checkpoint, tmp_path / "aspirin-n200.ckpt")
    source = "{variant}.ckpt"
    potential = load_potential(source, cwd=tmp_path, device="cpu", variant="aspirin-n200")
    assert potential.info.name == "aspirin-n200"
    with pytest.raises(MlffError, match="no checkpoint for variant aspirin-n400"):
        load_potential(source, cwd=tmp_path, variant="aspirin-n400")


def test_where_there_is_no_gpu_none_is_looked_for_with_torch(tmp_path: Path) -> None:
    """Importing torch takes longer than a small model takes for its frames."""
    (tmp_path / "pair.py").write_text(
        "def make():\n    from ase.calculators.lj import LennardJones\n    return LennardJones()\n"
    )
    code = (
        "import sys\nfrom pytest_mlff.potentials.loading import load_potential\n"
        "print(load_potential('pair.py:make').info.device, 'torch' in sys.modules)\n"
        "from pytest_mlff.potentials.device import resolve_device\n"
        "there = resolve_device('auto')\nasked = 'torch' in sys.modules\n"
        "import torch\nprint(asked or there, 'cuda' if torch.cuda.is_available() else 'cpu')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded, resolved = done.stdout.splitlines()
    assert loaded == "cpu False"
    # A GPU that torch would find is asked for; without one torch is not.
    assert resolved in ("cpu cpu", "True cpu", "True cuda")
