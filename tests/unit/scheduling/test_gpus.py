"""Which GPUs are visible, told by fakes of the driver and of ``nvidia-smi``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.scheduling.gpu.gpus import Driver, Gpu, chosen_gpus, has_driver, visible_gpus

if TYPE_CHECKING:
    from pathlib import Path

LISTING = """\
GPU 0: NVIDIA H200 (UUID: GPU-aaaa1111-0000)
GPU 1: NVIDIA H200 (UUID: GPU-bbbb2222-0000)
"""
MIXED = LISTING.replace("1: NVIDIA H200", "1: NVIDIA T4")
MIG = """\
GPU 0: NVIDIA H200 (UUID: GPU-aaaa1111-0000)
  MIG 1g.18gb     Device  0: (UUID: MIG-cccc)
  MIG 1g.18gb     Device  1: (UUID: MIG-dddd)
GPU 1: NVIDIA H200 (UUID: GPU-bbbb2222-0000)
"""


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    """A machine without a GPU."""
    return Driver(tmp_path / "proc", tmp_path / "dev")


def smi(tmp_path: Path, listing: str, status: int = 0) -> dict[str, str]:
    """An environment in which ``nvidia-smi -L`` prints a listing."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{listing}END\nexit {status}\n", encoding="utf-8")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def entries(environ: dict[str, str], driver: Driver) -> list[str]:
    return [gpu.entry for gpu in visible_gpus(environ, driver)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("0", ["0"]),
        ("2, 0", ["2", "0"]),
        ("GPU-a,MIG-b,3", ["GPU-a", "MIG-b", "3"]),
        ("MIG-GPU-a/3/0", ["MIG-GPU-a/3/0"]),
        ("", []),
        ("-1", []),
        ("1,-1,2", ["1"]),
        ("NoDevFiles", []),
        ("1,1", ["1"]),
    ],
)
def test_the_callers_own_list(text: str, expected: list[str], driver: Driver) -> None:
    assert entries({"CUDA_VISIBLE_DEVICES": text, "PATH": ""}, driver) == expected


def test_without_a_list_every_gpu_by_its_uuid(tmp_path: Path, driver: Driver) -> None:
    environ = smi(tmp_path, LISTING)
    assert entries(environ, driver) == ["GPU-aaaa1111-0000", "GPU-bbbb2222-0000"]


def test_parts_of_a_gpu_stand_for_it(tmp_path: Path, driver: Driver) -> None:
    environ = smi(tmp_path, MIG)
    assert entries(environ, driver) == ["MIG-cccc", "MIG-dddd", "GPU-bbbb2222-0000"]


def test_the_drivers_files_where_there_is_no_nvidia_smi(driver: Driver) -> None:
    driver.devices.mkdir()
    for number, place in enumerate(("0000:01:00.0", "0000:02:00.0", "0000:03:00.0")):
        folder = driver.gpus / place
        folder.mkdir(parents=True)
        folder.joinpath("information").write_text(
            f"Model: \t\t NVIDIA H200\nGPU UUID:\t GPU-{number}-x\nDevice Minor: \t {number}\n",
            encoding="utf-8",
        )
        if number != 1:  # a GPU of the host that this container was not given
            driver.devices.joinpath(f"nvidia{number}").touch()
    assert entries({"PATH": ""}, driver) == ["GPU-0-x", "GPU-2-x"]


@pytest.mark.parametrize("status", [0, 9])
def test_a_failing_nvidia_smi_means_no_gpu(tmp_path: Path, driver: Driver, status: int) -> None:
    environ = smi(tmp_path, "NVIDIA-SMI has failed\n", status)
    assert entries(environ, driver) == []


def test_nothing_there(driver: Driver) -> None:
    assert entries({"PATH": ""}, driver) == []
    assert not has_driver({"PATH": ""}, driver)


def test_one_gpu_has_one_identity_however_it_is_written(tmp_path: Path, driver: Driver) -> None:
    environ = smi(tmp_path, LISTING)
    ways = ["1", "GPU-bbbb", "GPU-bbbb2222-0000"]
    found = {
        visible_gpus({**environ, "CUDA_VISIBLE_DEVICES": way}, driver)[0].identity for way in ways
    }
    assert found == {"GPU-bbbb2222-0000"}
    assert visible_gpus(environ, driver)[1].identity in found


def test_numbers_are_not_taken_for_uuids_where_cuda_may_count_otherwise(
    tmp_path: Path, driver: Driver
) -> None:
    # CUDA counts the fastest GPU first unless told to follow the bus.
    environ = {**smi(tmp_path, MIXED), "CUDA_VISIBLE_DEVICES": "0"}
    assert visible_gpus(environ, driver)[0].identity == "gpu-0"
    environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    assert visible_gpus(environ, driver)[0].identity == "GPU-aaaa1111-0000"


VISIBLE = tuple(Gpu(entry, entry) for entry in ("GPU-a", "GPU-b", "GPU-c"))


@pytest.mark.parametrize(
    "text, expected",
    [(None, "abc"), ("0,2", "ac"), ("2,0", "ca"), (" 1 ", "b")],
)
def test_indices_into_the_visible_gpus(text: str | None, expected: str) -> None:
    assert [gpu.entry[-1] for gpu in chosen_gpus(text, VISIBLE)] == list(expected)


@pytest.mark.parametrize(
    "text, said",
    [
        ("a", "'a' is no index"),
        ("0,", "'' is no index"),
        ("", "'' is no index"),
        ("-1", "'-1' is no index"),
        ("1.0", "'1.0' is no index"),
        ("²", "'²' is no index"),
        ("GPU-a", "'GPU-a' is no index"),
        ("0,3", "there is no GPU 3; visible: 0 to 2"),
        ("1,0,1", "1 is named twice"),
    ],
)
def test_bad_choices_are_one_line(text: str, said: str) -> None:
    with pytest.raises(MlffError) as caught:
        chosen_gpus(text, VISIBLE)
    assert str(caught.value).startswith("--mlff-gpus: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count, said", [(0, "no GPU is visible"), (1, "only 0")])
def test_what_there_is_instead(count: int, said: str) -> None:
    with pytest.raises(MlffError, match=said):
        chosen_gpus("7", VISIBLE[:count])
