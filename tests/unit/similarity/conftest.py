"""Fixtures: embedded frames; everything here needs dscribe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlff.datasets import open_dataset

if TYPE_CHECKING:
    from pytest_mlff.datasets import Frames


@pytest.fixture(scope="session")
def aspirin() -> Frames:
    return open_dataset("embedded").load("aspirin").frames


@pytest.fixture(scope="session")
def ethanol() -> Frames:
    return open_dataset("embedded").load("ethanol").frames


@pytest.fixture(scope="session")
def uracil() -> Frames:
    return open_dataset("embedded").load("uracil").frames
