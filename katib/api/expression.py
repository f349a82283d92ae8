"""Boolean expressions over parameters, as in ``constraints[].expression``: ``height <= 4 * width and layers > 1``.

Python's grammar, none of its powers: numbers, texts and names; ``+ - * / // % **``; comparisons, also chained; ``and or not``;
``in`` with a list; ``abs min max log exp sqrt``. A name that Python would not take stands in backticks: `` `num-layers` > 2``. Evaluated by walking the tree, so there is nothing to escape from, and with limits
on length, depth and magnitude, so that ``9**9**9`` costs nothing.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Expression"]

_LONGEST: Final = 1_000
_DEEPEST: Final = 40
_LARGEST: Final = 1e300

_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,
}
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}
_UNARY: Final[dict[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "log": math.log,
    "exp": math.exp,
    "sqrt": math.sqrt,
}


class Expression:
    """One checked expression.

    Raises:
        InvalidInput: The text is no expression, or uses something that is not allowed; the message shows where.
    """

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise InvalidInput(f"an expression has at most {_LONGEST} characters")
        plain, quoted = _without_backticks(text.strip())
        try:
            tree = ast.parse(plain, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            said = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
            raise InvalidInput(f"{text!r} is not an expression: {said}") from None
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = quoted.get(node.id, node.id)
        names: set[str] = set()
        _check(tree, names, 0)
        if not _is_boolean(tree):
            raise InvalidInput(f"{text!r} is neither true nor false: compare something, as in 'a + b <= 1'")
        self.text = text
        self.names: frozenset[str] = frozenset(names)
        self._tree = tree

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __reduce__(self) -> tuple[type[Expression], tuple[str]]:
        return Expression, (self.text,)

    def holds(self, values: Mapping[str, float | int | str]) -> bool:
        """Return whether the expression is true for these values.

        With a name that has no value (a parameter that is not active) it holds: it has nothing to say about such a point.
        Where it cannot be computed (division by zero, a text plus a number) it does not hold.
        """
        if not self.names <= values.keys():
            return True
        try:
            return bool(_evaluate(self._tree, values))
        except (ArithmeticError, ValueError, TypeError):
            return False


def _without_backticks(text: str) -> tuple[str, dict[str, str]]:
    """Put an identifier in the place of each name in backticks, outside of texts; return which stands for which."""
    quoted: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        identifier = f"quoted_name_{len(quoted)}_"
        quoted[identifier] = match[1]
        return identifier

    return re.sub(r"'[^']*'|\"[^\"]*\"|`([^`]+)`", stand_in, text), quoted


def _is_boolean(node: ast.expr) -> bool:
    match node:
        case ast.BoolOp(values=parts):
            return all(map(_is_boolean, parts))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _is_boolean(operand)
        case ast.Constant(value=value):
            return isinstance(value, bool)
    return isinstance(node, ast.Compare)


def _check(node: ast.expr, names: set[str], depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidInput(f"an expression is nested at most {_DEEPEST} deep")
    match node:
        case ast.Constant(value=value) if isinstance(value, (int, float, str)):
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
                raise InvalidInput("a number in an expression is too large")
            children: list[ast.expr] = []
        case ast.Name(id=name):
            names.add(name)
            children = []
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            children = [left, right]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            children = [operand]
        case ast.BoolOp(values=values):
            children = values
        case ast.Compare(left=left, ops=ops, comparators=comparators) if all(type(op) in _COMPARISONS for op in ops):
            for comparison, right in zip(ops, comparators, strict=True):
                if isinstance(comparison, (ast.In, ast.NotIn)) and not isinstance(right, (ast.List, ast.Tuple)):
                    raise InvalidInput("'in' takes a list: optimizer in ['adam', 'sgd']")
            children = [left, *comparators]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            children = elements
        case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]) if function in _FUNCTIONS and arguments:
            children = arguments
        case _:
            raise InvalidInput(
                f"{ast.unparse(node)[:60]!r} is not allowed in an expression: write numbers, texts, parameters, + - * / // % **, "
                f"comparisons, and, or, not, in [...], {', '.join(_FUNCTIONS)}"
            )
    for child in children:
        _check(child, names, depth + 1)


def _evaluate(node: ast.expr, values: Mapping[str, float | int | str]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _bounded(_ARITHMETIC[type(op)], _evaluate(left, values), _evaluate(right, values))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_evaluate(operand, values))
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_evaluate(part, values) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_evaluate(part, values) for part in parts)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _compare(_evaluate(left, values), ops, [_evaluate(right, values) for right in comparators])
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_evaluate(element, values) for element in elements]
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return _FUNCTIONS[function](*(_evaluate(argument, values) for argument in arguments))
    raise TypeError(ast.dump(node))  # unreachable: _check allowed nothing else


def _bounded(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> float:
    """Compute with numbers only and give up where they leave the range of a double."""
    if isinstance(left, str) or isinstance(right, str):
        raise TypeError("texts can only be compared")
    result = operation(left, right)
    if not abs(result) <= _LARGEST:
        raise OverflowError(result)
    return float(result) if isinstance(result, float) else int(result)


def _compare(left: Any, ops: list[ast.cmpop], rights: list[Any]) -> bool:
    for op, right in zip(ops, rights, strict=True):
        if not _COMPARISONS[type(op)](left, right):
            return False
        left = right
    return True
