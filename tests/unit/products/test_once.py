"""A product is made once; what is damaged, foreign or doubted is made again, with one warning."""

from __future__ import annotations

import random
import shutil
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlff.products import ARRAYS, FOLDER, JSON, Files, Form, Product, find, once
from pytest_mlff.store import Store, StoreWarning, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = {"model": "abc", "window": [0, 20.5]}
VALUES: dict[str, tuple[Form[Any], Any]] = {
    "json": (JSON, {"size": 64, "loss": [[0, None, 0.25]]}),
    "arrays": (ARRAYS, {"energy": np.linspace(-5.0, 5.0, 40)}),
}


@dataclass
class Maker:
    """Counts how often it was asked."""

    value: Any
    calls: int = 0
    found: list[bool] = field(default_factory=list)

    def __call__(self) -> Any:
        self.calls += 1
        return self.value


def _same(one: Any, other: Any) -> bool:
    if isinstance(other, dict) and "energy" in other:
        return np.array_equal(one["energy"], other["energy"])
    return bool(one == other)


def _product(name: str, maker: Callable[[], Any], **key: Any) -> Product[Any]:
    return Product("things", {**KEY, **key}, VALUES[name][0], make=maker)


def _file(store: Store, product: Product[Any]) -> Path:
    return store.path(product.kind, product.key, product.form.suffix)


@pytest.mark.parametrize("name", VALUES)
def test_it_is_made_once(name: str, tmp_path: Path) -> None:
    maker = Maker(VALUES[name][1])
    for _ in range(2):
        assert _same(once(Store(tmp_path), _product(name, maker)), maker.value)
    assert maker.calls == 1
    once(Store(tmp_path), _product(name, maker, window=[0, 21]))
    assert maker.calls == 2


def _cut(content: bytes) -> bytes:
    return content[:-10]


def _emptied(_content: bytes) -> bytes:
    return b""


def _flipped(content: bytes) -> bytes:
    return content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]


def _without_header(content: bytes) -> bytes:
    return content.partition(b"\n")[2]


def _of_another_kind(content: bytes) -> bytes:
    suffix = ".json" if content.endswith(b"}\n") else ".npz"
    return pack("others", KEY, suffix, unpack("things", KEY, suffix, content))


def _foreign(_content: bytes) -> bytes:
    return b"PK\x03\x04 or anything else"


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    "damage", [_cut, _emptied, _flipped, _without_header, _of_another_kind, _foreign]
)
def test_a_damaged_entry_is_made_again_with_one_warning(
    name: str, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    maker = Maker(VALUES[name][1])
    once(Store(tmp_path), _product(name, maker))
    path = _file(Store(tmp_path), _product(name, maker))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(StoreWarning, match="computed again") as caught:
        assert _same(once(Store(tmp_path), _product(name, maker)), maker.value)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        once(Store(tmp_path), _product(name, maker))
    assert maker.calls == 2


@pytest.mark.parametrize("name", VALUES)
def test_an_entry_of_another_key_in_its_place_is_noticed(name: str, tmp_path: Path) -> None:
    store, maker = Store(tmp_path), Maker(VALUES[name][1])
    mine, other = _product(name, maker), _product(name, maker, model="another")
    once(store, mine)
    once(store, other)
    shutil.copyfile(_file(store, other), _file(store, mine))
    with pytest.warns(StoreWarning, match="another entry"):
        once(store, mine)
    assert maker.calls == 3


def test_a_right_checksum_does_not_make_sense_of_rubbish(tmp_path: Path) -> None:
    store, maker = Store(tmp_path), Maker(VALUES["arrays"][1])
    product = _product("arrays", maker)
    store.write(product.kind, product.key, product.form.suffix, b"no arrays")
    with pytest.warns(StoreWarning, match="makes no sense"):
        assert _same(once(store, product), maker.value)


@pytest.mark.parametrize("name", VALUES)
def test_random_flips_never_change_a_value(name: str, tmp_path: Path) -> None:
    store, maker = Store(tmp_path), Maker(VALUES[name][1])
    product = _product(name, maker)
    once(store, product)
    path = _file(store, product)
    whole, draw, noticed = path.read_bytes(), random.Random(7), 0
    for _ in range(300):
        content = bytearray(whole)
        for bit in draw.sample(range(8 * len(content)), draw.randint(1, 20)):
            content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(content))
        found = find(store, product, quiet=True)
        assert found is None or _same(found, maker.value)
        noticed += found is None
    assert noticed == 300


def test_what_is_doubted_is_made_again(tmp_path: Path) -> None:
    store, maker = Store(tmp_path), Maker(VALUES["json"][1])
    product = _product("json", maker)
    once(store, product)
    believed = replace(product, doubt=lambda _value: None)
    doubted = replace(product, doubt=lambda value: f"says {value['size']}")
    once(store, believed)
    assert maker.calls == 1
    with pytest.warns(StoreWarning, match="says 64; it is computed again"):
        once(store, doubted)
    assert maker.calls == 2


def _writes(store: Store, found: list[bool]) -> Product[Files]:
    def make() -> Files:
        folder = product.folder(store)
        folder.mkdir(parents=True, exist_ok=True)
        found.append((folder / "begun").exists())
        (folder / "begun").write_text("1")
        (folder / "chunk-0").write_bytes(bytes(1000))
        return Files({"steps": 3}, ("chunk-0",))

    product = Product("folders", KEY, FOLDER, make=make)
    return product


@pytest.mark.parametrize("damaged", ["chunk-0", "entry", "gone"])
def test_files_are_verified(damaged: str, tmp_path: Path) -> None:
    store, begun = Store(tmp_path), []  # type: tuple[Store, list[bool]]
    product = _writes(store, begun)
    assert once(store, product) == once(store, product) == Files({"steps": 3}, ("chunk-0",))
    chunk = product.folder(store) / "chunk-0"
    if damaged == "gone":
        chunk.unlink()
    else:
        path = chunk if damaged == "chunk-0" else _file(store, product)
        path.write_bytes(_flipped(path.read_bytes()))
    with pytest.warns(StoreWarning, match="computed again"):
        once(store, product)
    # A finished product that was damaged is no interrupted attempt: nothing of it is used.
    assert begun == [False, False]


def test_an_interrupted_attempt_is_gone_on_with(tmp_path: Path) -> None:
    store, begun = Store(tmp_path), []  # type: tuple[Store, list[bool]]
    product = _writes(store, begun)
    product.make()
    once(store, product)
    assert begun == [False, True]
