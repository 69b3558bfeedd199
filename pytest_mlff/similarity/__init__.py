"""Similarity of structures: SOAP descriptors and what they warn of."""

from __future__ import annotations

from pytest_mlff.similarity.correlation import RankCorrelation, rank_correlation
from pytest_mlff.similarity.nearest import Nearest, nearest
from pytest_mlff.similarity.soap import SoapSettings, soap_chunks, soap_vectors
from pytest_mlff.similarity.warning import WarningQuality, warning_quality
from pytest_mlff.similarity.windows import mean_vector, similarity

__all__ = [
    "Nearest",
    "RankCorrelation",
    "SoapSettings",
    "WarningQuality",
    "mean_vector",
    "nearest",
    "rank_correlation",
    "similarity",
    "soap_chunks",
    "soap_vectors",
    "warning_quality",
]
