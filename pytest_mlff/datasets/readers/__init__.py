"""Readers of data files: one file a kind of format, each through a kept library."""

from __future__ import annotations

from pytest_mlff.datasets.readers.content import FileContent

__all__ = ["FileContent"]
