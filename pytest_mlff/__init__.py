"""pytest_mlff: scientific benchmarks of machine-learned force fields as pytest cases."""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
