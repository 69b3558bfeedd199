"""What the operations of the expression language do, with the checks Python leaves out."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Final

Scalar = str | int | float | bool
"""What an axis may hold and an expression may be worth."""
Value = Scalar | tuple[Scalar, ...]

_MAX_DECIMALS: Final = 15

ARITHMETIC: Final[dict[str, Callable[..., int | float]]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "UAdd": operator.pos,
    "USub": operator.neg,
}
ORDER: Final[dict[str, Callable[..., bool]]] = {
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
}


class FaultError(Exception):
    """What is wrong with an expression, without its text; never leaves this room."""


def checked_constant(value: object) -> Scalar:
    """Let a literal through if it is a scalar and finite; raises `FaultError`."""
    if not isinstance(value, bool | int | float | str):
        raise FaultError(f"{value!r} is no number, text, true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise FaultError("number too large")
    return value


def calculate(apply: Callable[..., int | float], *operands: Value) -> int | float:
    """Apply an operation to numbers alone; raises `FaultError`, also at overflow."""
    for operand in operands:
        if isinstance(operand, bool | str | tuple):
            raise FaultError(f"arithmetic needs numbers, not {operand!r}")
    try:
        result = apply(*operands)
    except ZeroDivisionError:
        raise FaultError("division by zero") from None
    except OverflowError:
        raise FaultError("number too large") from None
    if isinstance(result, float) and not math.isfinite(result):
        raise FaultError("number too large")
    return result


def truth(value: Value, word: str) -> bool:
    """Take a value as a condition: only true and false are; raises `FaultError` naming ``word``."""
    if not isinstance(value, bool):
        raise FaultError(f"{word!r} needs a condition, not {value!r}")
    return value


def _same_kind(*values: Value) -> bool:
    texts = sum(isinstance(value, str) for value in values)
    numbers = sum(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
    return len(values) in (texts, numbers)


def ordered(compare: Callable[..., bool]) -> Callable[[Value, Value], bool]:
    """Make a comparison that orders numbers with numbers and texts with texts only."""

    def holds(left: Value, right: Value) -> bool:
        if not _same_kind(left, right):
            raise FaultError(f"cannot order {left!r} and {right!r}")
        return compare(left, right)

    return holds


def member(wanted: bool) -> Callable[[Value, Value], bool]:
    """Make ``in`` (wanted) or ``not in`` for lists and texts."""

    def holds(left: Value, right: Value) -> bool:
        if isinstance(right, tuple):
            return (left in right) is wanted
        if isinstance(right, str) and isinstance(left, str):
            return (left in right) is wanted
        raise FaultError(f"'in' needs a list or two texts, not {left!r} and {right!r}")

    return holds


def _extreme(name: str, pick: Callable[..., Scalar]) -> Callable[..., Scalar]:
    def function(*arguments: Value) -> Scalar:
        values = (
            arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple) else arguments
        )
        if not values or not _same_kind(*values):
            raise FaultError(f"{name}() needs numbers, or texts")
        return pick(values)

    return function


def _absolute(*arguments: Value) -> Scalar:
    if len(arguments) != 1:
        raise FaultError("abs() needs one number")
    return calculate(abs, arguments[0])


def _length(*arguments: Value) -> Scalar:
    if len(arguments) != 1 or not isinstance(arguments[0], str | tuple):
        raise FaultError("len() needs one text or list")
    return len(arguments[0])


def _rounded(*arguments: Value) -> Scalar:
    decimals = arguments[1] if len(arguments) == 2 else None
    if len(arguments) not in (1, 2) or (
        decimals is not None
        and (
            isinstance(decimals, bool)
            or not isinstance(decimals, int)
            or abs(decimals) > _MAX_DECIMALS
        )
    ):
        raise FaultError(f"round() needs one number, and decimals up to {_MAX_DECIMALS} if wanted")
    if decimals is None:
        return calculate(round, arguments[0])
    return calculate(lambda value: round(value, decimals), arguments[0])


FUNCTIONS: Final[dict[str, Callable[..., Scalar]]] = {
    "min": _extreme("min", min),
    "max": _extreme("max", max),
    "abs": _absolute,
    "len": _length,
    "round": _rounded,
}
