"""Kinds of values in a spec, each with its check and its place in the JSON Schema."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, PlainValidator, StrictStr, WithJsonSchema

from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.metrics.registry import metric_named, metrics
from pytest_mlff.specs.expression import Expression, plain_name
from pytest_mlff.specs.operations import Scalar

SYMBOLS: Final = frozenset(
    (  # noqa: SIM905 - a list of quoted symbols would be three times as long
        "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As "
        "Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu "
        "Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np "
        "Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
    ).split()
)
"""Chemical symbols of all elements."""

_SPECIES_WORDS: Final = ("all", "each")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def _listed(value: Any) -> tuple[Any, ...]:
    """Take one value for a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _words(value: Any) -> tuple[str, ...]:
    words = _listed(value)
    if not words or not all(isinstance(word, str) and word for word in words):
        raise ValueError(f"must be text or a list of texts, is {_shown(value)}")
    return words


def _is_species(word: str) -> bool:
    """Whether it is a chemical symbol, or a pair of them in the order of the alphabet."""
    symbols = word.split("-")
    return len(symbols) <= 2 and symbols == sorted(symbols) and SYMBOLS.issuperset(symbols)


def _species(value: Any) -> tuple[str, ...]:
    words = _words(value)
    for word in words:
        if word not in _SPECIES_WORDS and not _is_species(word):
            near = did_you_mean(word, {*SYMBOLS, *_SPECIES_WORDS})
            raise ValueError(f"{word!r} is no chemical symbol, nor all or each{near}")
    if len(set(words)) < len(words):
        raise ValueError(f"names a species twice: {', '.join(words)}")
    return words


def _atom_types(value: Any) -> dict[int, str]:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"must map atom types to elements, e.g. {{1: Cu}}, is {_shown(value)}")
    for number, symbol in value.items():
        if not str(number).isdecimal() or int(number) < 1:
            raise ValueError(f"atom types are whole numbers from 1, not {number!r}")
        if symbol not in SYMBOLS:
            raise ValueError(f"type {number}: {symbol!r} is no chemical symbol")
    return {int(number): symbol for number, symbol in value.items()}


def _plan_species(value: Any) -> tuple[str, ...]:
    words = _species(value)
    if "each" in words and any(_is_species(word) for word in words):
        raise ValueError("'each' already has every symbol; name one or the other")
    return words


def _expression(value: Any) -> Expression:
    if isinstance(value, Expression):
        return value
    if not isinstance(value, str):
        raise ValueError(f"must be an expression (text), is {_shown(value)}")
    try:
        return Expression(value)
    except MlffError as error:
        raise ValueError(str(error)) from None


def _number_or_expression(value: Any) -> int | float | Expression:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(f"must be finite, is {value}")
        return value
    if not isinstance(value, str | Expression):
        raise ValueError(f"must be a number or an expression, is {_shown(value)}")
    return _expression(value)


def _scalar(value: Any) -> Scalar:
    if not isinstance(value, str | int | float) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        raise ValueError(f"must be a number, text, true or false, is {_shown(value)}")
    return value


def _table_row(value: Any) -> tuple[Scalar, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a list of axis values and a number, is {_shown(value)}")
    return tuple(_scalar(one) for one in value)


def _axis_values(value: Any) -> tuple[Scalar, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a list of values, is {_shown(value)}")
    if not value:
        raise ValueError("has no values")
    values = tuple(_scalar(item) for item in value)
    seen: set[tuple[bool, Scalar]] = set()
    for item in values:
        key = (isinstance(item, bool), item)
        if key in seen:
            raise ValueError(f"has the value {item!r} twice")
        seen.add(key)
    return values


def _axis_name(name: str) -> str:
    if not plain_name(name) or name in ("dataset", "variant"):
        raise ValueError(f"{name!r} cannot name an axis; use letters, digits and _ (no keyword)")
    return name


def _dataset_name(name: str) -> str:
    if not _WORD.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a dataset; use letters, digits and . _ + -")
    return name


def _metric(name: str) -> str:
    try:
        return metric_named(name).id
    except MlffError as error:
        raise ValueError(str(error)) from None


class _KnownMetrics:
    """JSON schema of the metrics that are known when it is asked for."""

    def __get_pydantic_json_schema__(self, *_: Any) -> dict[str, Any]:
        return {"enum": list(metrics())}


def _shown(value: Any) -> str:
    kinds = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "empty"}
    return kinds.get(type(value), repr(value))


_TEXTS: dict[str, Any] = {"type": "string", "minLength": 1}
_SCALAR_SCHEMA: dict[str, Any] = {"type": ["string", "number", "boolean"]}


def _one_or_many(item: dict[str, Any]) -> dict[str, Any]:
    many = {"type": "array", "items": item, "minItems": 1, "uniqueItems": True}
    return {"anyOf": [item, many]}


# Two choices, so that editors offer the words and still take every symbol.
_SPECIES_SCHEMA = _one_or_many(
    {
        "anyOf": [
            {"enum": ["all", "each"]},
            {"type": "string", "pattern": "^[A-Z][a-z]?(-[A-Z][a-z]?)?$"},
        ]
    }
)


Words = Annotated[tuple[str, ...], PlainValidator(_words), WithJsonSchema(_one_or_many(_TEXTS))]
AtomTypes = Annotated[
    dict[int, str],
    PlainValidator(_atom_types),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
Paths = Annotated[
    str | tuple[str, ...],
    PlainValidator(lambda value: value if isinstance(value, str) and value else _words(value)),
    WithJsonSchema(_one_or_many(_TEXTS)),
]
PlanSpecies = Annotated[
    tuple[str, ...], PlainValidator(_plan_species), WithJsonSchema(_SPECIES_SCHEMA)
]
ThresholdSpecies = Annotated[
    tuple[str, ...],
    PlainValidator(_species),
    WithJsonSchema(_SPECIES_SCHEMA),
]
ExpressionText = Annotated[
    Expression, PlainValidator(_expression), WithJsonSchema({"type": "string", "minLength": 1})
]
NumberOrExpression = Annotated[
    int | float | Expression,
    PlainValidator(_number_or_expression),
    WithJsonSchema({"anyOf": [{"type": "number"}, _TEXTS]}),
]
OptionValue = Annotated[
    str | int | float | bool, PlainValidator(_scalar), WithJsonSchema(_SCALAR_SCHEMA)
]
AxisValues = Annotated[
    tuple[Scalar, ...],
    PlainValidator(_axis_values),
    WithJsonSchema({"type": "array", "items": _SCALAR_SCHEMA, "minItems": 1, "uniqueItems": True}),
]
TableRow = Annotated[
    tuple[Scalar, ...],
    PlainValidator(_table_row),
    WithJsonSchema({"type": "array", "items": _SCALAR_SCHEMA, "minItems": 2}),
]
AxisName = Annotated[StrictStr, AfterValidator(_axis_name)]
DatasetName = Annotated[StrictStr, AfterValidator(_dataset_name)]
MetricName = Annotated[
    StrictStr,
    AfterValidator(_metric),
    _KnownMetrics(),
]
# Keyboards write Å in three ways; all of them mean one letter.
Unit = Annotated[StrictStr, AfterValidator(lambda text: unicodedata.normalize("NFC", text))]
Pick = Literal["all", "first", "evenly", "random"]
