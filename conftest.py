"""Root of the test suite: real pytest runs are made with pytester."""

from __future__ import annotations

pytest_plugins = ["pytester"]
