"""Where the state of an active run hangs on pytest's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_mlff.run.session import Session

SESSION_KEY: pytest.StashKey[Session] = pytest.StashKey()
