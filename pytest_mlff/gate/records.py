"""Measurements kept for later comparison: readable JSON entries and compact arrays.

An entry names what was measured and on what; the per-frame values lie in a compressed
sidecar as float16 multiples of a common scale. The rounding, at most one part in 2048 of
a frame's own error, is random from frame to frame and a hundred times below what frames
scatter by, while it halves what git has to carry. The scale is a power of two, so that
rounding what was rounded changes nothing: an entry that is read and written again keeps
its bits.
"""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from pytest_mlff.datasets.archive import array_of, open_archive
from pytest_mlff.errors import MlffError
from pytest_mlff.statistics.evidence import FrameSeries, Pooled, Replicates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlff.metrics.measurement import Measurement
    from pytest_mlff.statistics.evidence import Evidence

# The largest size lies between 2^14 and 2^15 scales: float16 ends just below 2^16, and what
# is 2^28 times smaller than the largest still has all of its eleven bits.
_TOP = 15


@dataclass(frozen=True)
class Identity:
    """What must agree before two values may be compared.

    Attributes
    ----------
    data : str
        Digest of the test frames with their labels.
    spec : str
        Digest of what the spec says of the variant: selections, options, seed.
    dtype : str
        Precision the model computed in.
    unit : str
        Unit of the value.
    """

    data: str
    spec: str
    dtype: str
    unit: str

    def difference(self, other: Identity) -> str | None:
        """What differs from the ``other``, stored identity, in one clause; None if nothing."""
        for name, what in (
            ("unit", "unit"),
            ("dtype", "dtype"),
            ("data", "test data (digest)"),
            ("spec", "spec (digest)"),
        ):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                return f"{what} is {_short(mine)} here and {_short(theirs)} there"
        return None


def _short(text: str) -> str:
    return text if len(text) <= 16 else f"{text[:12]}…"


@dataclass(frozen=True, eq=False)
class KeptCase:
    """One measured case as it is kept.

    Attributes
    ----------
    case_id, metric : str
    species : str or None
    value : float
        Full precision.
    n_frames, n_atoms : int
    identity : Identity
    series : FrameSeries, Replicates or Pooled
    """

    case_id: str
    metric: str
    species: str | None
    value: float
    n_frames: int
    n_atoms: int
    identity: Identity
    series: Evidence


def kept_case(
    case_id: str,
    metric: str,
    species: str | None,
    measurement: Measurement,
    *,
    data: str,
    spec: str,
    dtype: str,
) -> KeptCase | None:
    """Make the record of a measurement; None where it has no finite per-frame series."""
    if measurement.series is None or not math.isfinite(measurement.value):
        return None
    return KeptCase(
        case_id=case_id,
        metric=metric,
        species=species,
        value=measurement.value,
        n_frames=measurement.n_frames,
        n_atoms=measurement.n_atoms,
        identity=Identity(data=data, spec=spec, dtype=dtype, unit=measurement.unit),
        series=measurement.series,
    )


def _quantise(series: FrameSeries | Replicates) -> tuple[NDArray[np.float16], float]:
    """Per-frame values over their scale, and the scale."""
    values = series.per_frame
    scale = _scale(float(np.abs(values).max()))
    # Rounding may lift the largest value to the next power of two, whose scale is another.
    rounded = (values / scale).astype(np.float16)
    scale = _scale(float(np.abs(rounded).max()) * scale)
    return (values / scale).astype(np.float16), scale


def _scale(largest: float) -> float:
    """The power of two that the values are counted in."""
    if largest <= 0.0:
        return 1.0
    # Below, the scale itself would be no normal number.
    return math.ldexp(1.0, max(math.frexp(largest)[1] - _TOP, -1000))


def as_stored(series: Evidence) -> Evidence:
    """The series as it would come back from a sidecar.

    Rounding both sides alike makes a model compared with itself differ by exactly nothing.
    """
    arrays: dict[str, NDArray[Any]] = {}
    return _unpack_series(_pack_series(series, arrays), arrays)


def _key(prefix: str, content: bytes) -> str:
    return f"{prefix}{hashlib.sha256(content).hexdigest()[:16]}"


def pack(record: KeptCase, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Turn a record into a JSON entry, and put its arrays into ``arrays``.

    Arrays are named by their content, so equal ones (the atom counts of a test set) are
    kept once and an unchanged case leaves the sidecar unchanged.
    """
    return {
        "metric": record.metric,
        "species": record.species,
        "value": record.value,
        "n_frames": record.n_frames,
        "n_atoms": record.n_atoms,
        "unit": record.identity.unit,
        "dtype": record.identity.dtype,
        "data": record.identity.data,
        "spec": record.identity.spec,
        "series": _pack_series(record.series, arrays),
    }


def _pack_series(series: Evidence, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    if isinstance(series, Pooled):
        return {"systems": [_pack_series(part, arrays) for part in series.parts]}

    def put(prefix: str, array: NDArray[Any]) -> str:
        name = _key(prefix, array.tobytes())
        arrays[name] = array
        return name

    ratios, scale = _quantise(series)
    told: dict[str, Any] = {
        "power": series.power,
        "scale": scale,
        "values": put("v", ratios),
        "weights": put("w", series.weights.astype(np.float32)),
    }
    if isinstance(series, FrameSeries):
        told["segments"] = list(series.segments)
        if series.independent:
            told["independent"] = True
    if not np.array_equal(series.order, np.arange(len(series))):
        told["order"] = put("o", series.order.astype(np.int32))
    return told


def _unpack_series(told: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Evidence:
    if "systems" in told:
        parts = tuple(_unpack_series(part, arrays) for part in told["systems"])
        if not parts or any(isinstance(part, Pooled) for part in parts):
            raise ValueError("its systems are none")
        return Pooled(cast("tuple[FrameSeries | Replicates, ...]", parts))
    ratios = arrays[told["values"]]
    if ratios.dtype != np.float16 or not np.isfinite(ratios).all():
        raise ValueError("its per-frame values are not finite float16 numbers")
    power, scale = int(told["power"]), float(told["scale"])
    if power not in (1, 2):
        raise ValueError(f"power {power} is neither 1 nor 2")
    if not (math.isfinite(scale) and scale > 0.0):
        raise ValueError("its value or scale is not a finite number")
    order = arrays[told["order"]] if "order" in told else np.arange(len(ratios))
    order = order.astype(np.int64)
    weights = arrays[told["weights"]].astype(np.float64)
    totals = (ratios.astype(np.float64) * scale) ** power * weights
    if "segments" not in told:
        return Replicates(totals, weights, order, cast("Literal[1, 2]", power))
    return FrameSeries(
        totals,
        weights,
        order,
        tuple(int(one) for one in told["segments"]),
        cast("Literal[1, 2]", power),
        bool(told.get("independent", False)),
    )


def unpack(case_id: str, entry: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> KeptCase:
    """The record behind a JSON entry.

    Raises
    ------
    MlffError
        If the entry or its arrays are not what `pack` writes.
    """
    try:
        value = float(entry["value"])
        if not math.isfinite(value):
            raise ValueError("its value or scale is not a finite number")
        return KeptCase(
            case_id=case_id,
            metric=str(entry["metric"]),
            species=None if entry["species"] is None else str(entry["species"]),
            value=value,
            n_frames=int(entry["n_frames"]),
            n_atoms=int(entry["n_atoms"]),
            identity=Identity(
                data=str(entry["data"]),
                spec=str(entry["spec"]),
                dtype=str(entry["dtype"]),
                unit=str(entry["unit"]),
            ),
            series=_unpack_series(entry["series"], arrays),
        )
    except KeyError as error:
        raise MlffError(f"case {case_id!r} lacks {error.args[0]!r}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise MlffError(f"case {case_id!r} is not readable: {error}") from error


def write_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Bytes of a compressed npz; the same arrays give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, arrays[name], allow_pickle=False)
            # A fixed date: git should see a change only where there is one.
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue(), compresslevel=9)
    return stream.getvalue()


def read_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Arrays of `write_arrays`.

    Raises
    ------
    ValueError
        If the bytes are no such file.
    """
    try:
        with open_archive(io.BytesIO(content), len(content)) as archive:
            return {name: array_of(archive, name) for name in archive.files}
    except ValueError as error:
        raise ValueError(f"not a readable npz file: {error}") from error
