"""The small expression language of specs: ``where`` clauses, percentages, counts.

Python's own syntax, parsed by :mod:`ast` and turned into closures node by node from
a whitelist; nothing is ever handed to ``eval``. There are names, numbers, strings,
``true`` / ``false``, ``+ - * / // %`` on numbers, comparisons (chained, ``in``),
``and`` / ``or`` / ``not`` on conditions, and ``min max abs len round``.
What an expression may cost is bounded by the length of its text.

It is stricter than Python where Python would hide a slip: ``x == 'a' or 'b'`` is
refused, because ``'b'`` is no condition; so is arithmetic with true and false.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Final

from pytest_mlff.errors import MlffError, did_you_mean
from pytest_mlff.specs.operations import (
    ARITHMETIC,
    FUNCTIONS,
    ORDER,
    FaultError,
    Scalar,
    Value,
    calculate,
    checked_constant,
    member,
    ordered,
    truth,
)

__all__ = [
    "MAX_DEPTH",
    "MAX_LENGTH",
    "Expression",
    "ExpressionError",
    "Scalar",
    "plain_name",
    "unknown_name",
]

_Run = Callable[[Mapping[str, Scalar]], Value]

MAX_LENGTH: Final = 500
"""Characters in an expression."""
MAX_DEPTH: Final = 50
"""Nested operations in an expression."""

_CONSTANTS: Final[dict[str, bool]] = {"true": True, "false": False}


class ExpressionError(MlffError):
    """An expression that cannot be read or has no value; one line that quotes it."""


class Expression:
    """A parsed expression.

    Parameters
    ----------
    text : str
        At most 500 characters, nested at most 50 deep.

    Attributes
    ----------
    text : str
        As given.
    names : frozenset of str
        Names it reads.

    Raises
    ------
    ExpressionError
        If the text is not in the language.
    """

    __slots__ = ("_run", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            compiler = _Compiler()
            self._run = compiler.compile(_parse(text), 0)
            self.names = frozenset(compiler.names)
        except FaultError as fault:
            raise ExpressionError(f"{_quoted(text)}: {fault}") from None

    def value(self, names: Mapping[str, Scalar]) -> Scalar:
        """Evaluate.

        Parameters
        ----------
        names : mapping of str to scalar
            What the names stand for.

        Raises
        ------
        ExpressionError
            If a name is unknown, types do not fit or there is no finite value.
        """
        try:
            result = self._run(names)
        except FaultError as fault:
            raise ExpressionError(f"{_quoted(self.text)}: {fault}") from None
        assert not isinstance(result, tuple)
        return result

    def condition(self, names: Mapping[str, Scalar]) -> bool:
        """Evaluate to true or false; raises :class:`ExpressionError` for anything else."""
        result = self.value(names)
        if not isinstance(result, bool):
            raise ExpressionError(f"{_quoted(self.text)}: must be true or false, is {result!r}")
        return result

    def number(self, names: Mapping[str, Scalar]) -> int | float:
        """Evaluate to a number; raises :class:`ExpressionError` for anything else."""
        result = self.value(names)
        if isinstance(result, bool | str):
            raise ExpressionError(f"{_quoted(self.text)}: must be a number, is {result!r}")
        return result

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash((Expression, self.text))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[type[Expression], tuple[str]]:
        return Expression, (self.text,)


def plain_name(text: str) -> bool:
    """Tell whether expressions can refer to something by this name."""
    import keyword

    return (
        text.isascii()
        and text.isidentifier()
        and not keyword.iskeyword(text)
        and text not in _CONSTANTS
        and text not in FUNCTIONS
    )


def _quoted(text: str) -> str:
    shown = " ".join(text.split())
    return repr(shown if len(shown) <= 80 else shown[:77] + "...")


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise FaultError(f"longer than {MAX_LENGTH} characters")
    if not text.strip():
        raise FaultError("is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FaultError("is not an expression") from None


class _Compiler:
    """Turns syntax nodes into closures; collects the names that are read."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._builders: dict[type[ast.expr], Callable[..., _Run]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.BinOp: self._arithmetic,
            ast.UnaryOp: self._unary,
            ast.Compare: self._comparison,
            ast.BoolOp: self._logic,
            ast.Call: self._call,
        }

    def compile(self, node: ast.expr, depth: int) -> _Run:
        if depth > MAX_DEPTH:
            raise FaultError(f"nested more than {MAX_DEPTH} deep")
        build = self._builders.get(type(node))
        if build is None:
            word = _WORDS.get(type(node), f"{type(node).__name__} is")
            raise FaultError(f"{word} not allowed here")
        return build(node, depth + 1)

    def _constant(self, node: ast.Constant, _depth: int) -> _Run:
        value = checked_constant(node.value)
        return lambda _names: value

    def _name(self, node: ast.Name, _depth: int) -> _Run:
        name = node.id
        if name in _CONSTANTS:
            constant = _CONSTANTS[name]
            return lambda _names: constant
        self.names.add(name)

        def run(names: Mapping[str, Scalar]) -> Value:
            try:
                return names[name]
            except KeyError:
                raise FaultError(unknown_name(name, names)) from None

        return run

    def _arithmetic(self, node: ast.BinOp, depth: int) -> _Run:
        apply = ARITHMETIC.get(type(node.op).__name__)
        if apply is None:
            raise FaultError("operators are + - * / // %")
        left, right = self.compile(node.left, depth), self.compile(node.right, depth)
        return lambda names: calculate(apply, left(names), right(names))

    def _unary(self, node: ast.UnaryOp, depth: int) -> _Run:
        operand = self.compile(node.operand, depth)
        if isinstance(node.op, ast.Not):
            return lambda names: not truth(operand(names), "not")
        apply = ARITHMETIC.get(type(node.op).__name__)
        if apply is None:
            raise FaultError("operators are + - * / // %")
        return lambda names: calculate(apply, operand(names))

    def _comparison(self, node: ast.Compare, depth: int) -> _Run:
        first = self.compile(node.left, depth)
        steps: list[tuple[Callable[[Value, Value], bool], _Run]] = []
        for op, operand in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                steps.append((member(isinstance(op, ast.In)), self._listed(operand, depth)))
            elif isinstance(op, ast.Eq | ast.NotEq):
                equal = operator.eq if isinstance(op, ast.Eq) else operator.ne
                steps.append((equal, self.compile(operand, depth)))
            elif type(op).__name__ in ORDER:
                compare = ordered(ORDER[type(op).__name__])
                steps.append((compare, self.compile(operand, depth)))
            else:
                raise FaultError("'is' not allowed here; write ==")

        def run(names: Mapping[str, Scalar]) -> Value:
            left = first(names)
            for holds, operand in steps:
                right = operand(names)
                if not holds(left, right):
                    return False
                left = right
            return True

        return run

    def _logic(self, node: ast.BoolOp, depth: int) -> _Run:
        operands = [self.compile(value, depth) for value in node.values]
        if isinstance(node.op, ast.And):
            return lambda names: all(truth(operand(names), "and") for operand in operands)
        return lambda names: any(truth(operand(names), "or") for operand in operands)

    def _call(self, node: ast.Call, depth: int) -> _Run:
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            raise FaultError(f"functions are {' '.join(FUNCTIONS)}")
        name = node.func.id
        if node.keywords:
            raise FaultError(f"{name}() takes no named arguments")
        function = FUNCTIONS[name]
        arguments = [self._listed(argument, depth) for argument in node.args]
        return lambda names: function(*(argument(names) for argument in arguments))

    def _listed(self, node: ast.expr, depth: int) -> _Run:
        """Compile where a list of values may stand as well as one value."""
        if not isinstance(node, ast.Tuple | ast.List):
            return self.compile(node, depth)
        elements = [self.compile(element, depth + 1) for element in node.elts]

        def run(names: Mapping[str, Scalar]) -> Value:
            values = []
            for element in elements:
                value = element(names)
                assert not isinstance(value, tuple)
                values.append(value)
            return tuple(values)

        return run


def unknown_name(name: str, known: Mapping[str, object]) -> str:
    """Say that a name is unknown, which one is near and which exist."""
    listed = ", ".join(sorted(known)) or "none"
    return f"unknown name {name!r}{did_you_mean(name, known)} (names: {listed})"


_WORDS: Final[dict[type[ast.expr], str]] = {
    ast.IfExp: "if is",
    ast.Attribute: "a dot after a name is",
    ast.Subscript: "square brackets after a name are",
    ast.Lambda: "lambda is",
    ast.JoinedStr: "an f-string is",
    ast.NamedExpr: ":= is",
    ast.ListComp: "a comprehension is",
    ast.SetComp: "a comprehension is",
    ast.DictComp: "a comprehension is",
    ast.GeneratorExp: "a comprehension is",
    ast.Dict: "a dict is",
    ast.Set: "a set is",
    ast.Tuple: "a list is",
    ast.List: "a list is",
    ast.Starred: "* before a name is",
    ast.Await: "await is",
}
