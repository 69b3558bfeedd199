"""Formats are told by content, and nothing in a file is run to tell them."""

from __future__ import annotations

import pickle
import shutil
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.potentials.adapters import adapter_for
from pytest_mlff.potentials.detect import detect
from pytest_mlff.potentials.families.registry import installed_adapters

if TYPE_CHECKING:
    from support.tiny_nequip import TinyNequip


class _Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def _pickle_naming(module: str, name: str, protocol: int) -> bytes:
    if protocol < 4:
        return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"."
    import struct

    def text(value: str) -> bytes:
        return b"\x8c" + struct.pack("<B", len(value)) + value.encode()

    return b"\x80\x04" + text(module) + text(name) + b"\x93."


def test_nequip_files_by_any_name(tiny_nequip: TinyNequip, tmp_path: Path) -> None:
    for name in ("ckpt.pth", "model.zip", "weights"):
        shutil.copy(tiny_nequip.checkpoint, tmp_path / name)
        kind = detect(tmp_path / name)
        assert (kind.format, kind.family) == ("lightning", "nequip")
        shutil.copy(tiny_nequip.package, tmp_path / name)
        kind = detect(tmp_path / name)
        assert (kind.format, kind.family) == ("torch-package", "nequip")


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "module, family, title",
    [
        ("mace.modules.models", "mace", "MACE"),
        ("schnetpack.model.base", "schnetpack", "SchNetPack"),
        ("chgnet.model", "chgnet", "CHGNet"),
    ],
)
def test_other_families_are_named(
    tmp_path: Path, module: str, family: str, title: str, protocol: int
) -> None:
    content = _pickle_naming(module, "Model", protocol)
    plain = tmp_path / "best_model"
    plain.write_bytes(content)
    archive = tmp_path / "model.model"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("archive/data.pkl", content)
        stream.writestr("archive/version", "3")
    for path in (plain, archive):
        kind = detect(path)
        assert kind.family == family
        with pytest.raises(MlffError, match=rf"{title} .*a family without an adapter") as caught:
            adapter_for(kind, None, installed_adapters())
        assert "\n" not in str(caught.value)


def test_torch_files_of_all_ages(tmp_path: Path) -> None:
    import torch

    state = OrderedDict(weight=torch.zeros(3))
    torch.save(state, tmp_path / "new.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert detect(tmp_path / "new.pth").format == "torch-zip"
    assert detect(tmp_path / "old.pth").format == "torch-legacy"


def test_a_foreign_lightning_checkpoint(tmp_path: Path) -> None:
    import torch

    torch.save({"state_dict": {}, "pytorch-lightning_version": "2"}, tmp_path / "a.ckpt")
    kind = detect(tmp_path / "a.ckpt")
    assert (kind.format, kind.family) == ("lightning", None)


@pytest.mark.parametrize(
    "content, form",
    [
        (b"", "empty"),
        (b"just some text\n", "text"),
        ("Å in utf-8".encode(), "text"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "hdf5"),
        (bytes(range(256)), "unknown"),
        (b"PK\x03\x04" + bytes(40), "truncated-zip"),
        (pickle.dumps([1, 2]), "pickle"),
    ],
)
def test_what_is_no_model_says_what_it_looks_like(
    tmp_path: Path, content: bytes, form: str
) -> None:
    path = tmp_path / "ckpt.pth"
    path.write_bytes(content)
    kind = detect(path)
    assert kind.format == form
    with pytest.raises(MlffError, match="not a checkpoint that any adapter knows") as caught:
        adapter_for(kind, None, installed_adapters())
    assert kind.looks_like in str(caught.value)


def test_numpy_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(2))
    np.savez(tmp_path / "a.npz", a=np.zeros(2))
    assert detect(tmp_path / "a.npy").format == "numpy"
    assert detect(tmp_path / "a.npz").format == "zip"


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated_checkpoints(tiny_nequip: TinyNequip, tmp_path: Path, kept: float) -> None:
    content = tiny_nequip.checkpoint.read_bytes()
    path = tmp_path / "cut.ckpt"
    path.write_bytes(content[: int(kept * len(content))])
    assert detect(path).format == "truncated-zip"


@pytest.mark.parametrize("as_zip", [True, False])
def test_looking_runs_nothing(tmp_path: Path, as_zip: bool) -> None:
    mark = tmp_path / "exploded"
    content = pickle.dumps({"nequip.model": _Bomb(mark)})
    path = tmp_path / "bomb"
    if as_zip:
        with zipfile.ZipFile(path, "w") as stream:
            stream.writestr("archive/data.pkl", content)
    else:
        path.write_bytes(content)
    detect(path)
    assert not mark.exists()
    pickle.loads(content)  # the bomb is live
    assert mark.exists()


def test_directories_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(MlffError, match="is a directory"):
        detect(tmp_path)
    with pytest.raises(MlffError, match="no such checkpoint"):
        detect(tmp_path / "none.ckpt")
