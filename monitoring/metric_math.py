"""CloudWatch metric math, as far as the alarms use it: arithmetic, comparisons, AND, OR, IF, FILL. Pure.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html. A value is calculated for
each period by itself; a missing operand makes it missing.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

Number = float | None
_Binary = Callable[[float, float], float]
Operation = TypeVar("Operation")

_ARITHMETIC: Mapping[type[ast.operator], _Binary] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: Mapping[type[ast.cmpop], _Binary] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def calculate(expression: str, values: Mapping[str, Number]) -> Number:
    """The expression's value in one period; None if it is missing. values: by the ids that the expression uses.

    Raises ValueError for a form that is not known here, and KeyError for an id that has no value.
    """
    python = re.sub(r"\b(AND|OR)\b", lambda found: found[0].lower(), expression)
    return _value(ast.parse(python, mode="eval").body, values)


def _value(node: ast.expr, values: Mapping[str, Number]) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=sign, right=right):
            return _combined(_known(_ARITHMETIC, sign), _value(left, values), _value(right, values))
        case ast.Compare(left=left, ops=[sign], comparators=[right]):
            return _combined(_known(_COMPARISONS, sign), _value(left, values), _value(right, values))
        case ast.BoolOp(op=joined, values=terms):
            found = [_value(term, values) for term in terms]
            if any(term is None for term in found):
                return None
            return float(all(found) if isinstance(joined, ast.And) else any(found))
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
            decided = _value(condition, values)
            return None if decided is None else _value(then if decided else otherwise, values)
        case ast.Call(func=ast.Name(id="FILL"), args=[filled, instead]):
            value = _value(filled, values)
            return _value(instead, values) if value is None else value
    raise ValueError(f"metric math has here no form {ast.unparse(node)}")


def _known(operations: Mapping[type[Operation], _Binary], sign: Operation) -> _Binary:
    if type(sign) not in operations:
        raise ValueError(f"metric math has here no operator {type(sign).__name__}")
    return operations[type(sign)]


def _combined(operation: _Binary, left: Number, right: Number) -> Number:
    """A division by zero has no value."""
    if left is None or right is None or (operation is operator.truediv and not right):
        return None
    return float(operation(left, right))
