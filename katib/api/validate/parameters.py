"""The search space as it is written: ranges, lists, distributions, conditions and constraints."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from katib.api.expression import Expression
from katib.api.numbers import parse_decimal, parse_int
from katib.api.similar import did_you_mean
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from katib.api.experiment import ExperimentSpec, FeasibleSpace, ParameterSpec

__all__ = ["constraint_problems", "parameter_problems"]

_MOST_STEPS: Final = 2**63
_MOST_CONSTRAINTS: Final = 100
"""Each is evaluated for every point that is drawn."""


def parameter_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Yield what is wrong with the parameters, or with those of the network's operations."""
    if spec.parameters and spec.nas_config:
        yield Problem("spec.nasConfig", "cannot be given beside parameters")
    elif not spec.parameters and not spec.nas_config:
        yield Problem("spec.parameters", "is required: at least one parameter (or nasConfig)")
    yield from _list_problems("spec.parameters", spec.parameters or [])
    for index, operation in enumerate(spec.nas_config.operations if spec.nas_config else []):
        yield from _list_problems(f"spec.nasConfig.operations[{index}].parameters", operation.parameters or [])


def _list_problems(path: str, parameters: Sequence[ParameterSpec]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, parameter in enumerate(parameters):
        here = f"{path}[{index}]"
        if not parameter.name:
            yield Problem(f"{here}.name", "must not be empty")
        elif parameter.name in seen:
            yield Problem(f"{here}.name", "is used by another parameter already", parameter.name)
        seen.add(parameter.name)
        match parameter.parameter_type:
            case "double" | "int":
                yield from _range_problems(f"{here}.feasibleSpace", parameter)
            case "discrete" | "categorical":
                yield from _choice_problems(f"{here}.feasibleSpace", parameter)
            case "unknown":
                yield Problem(f"{here}.parameterType", "must be one of double, int, discrete, categorical", "unknown")
    yield from _condition_problems(path, parameters)


def _range_problems(path: str, parameter: ParameterSpec) -> Iterator[Problem]:
    space = parameter.feasible_space
    whole = parameter.parameter_type == "int"
    if space.list:
        yield Problem(
            f"{path}.list", f"is for discrete and categorical parameters; {parameter.parameter_type} takes min and max"
        )
    low = yield from _number(path, "min", space.min, required=True, whole=whole)
    high = yield from _number(path, "max", space.max, required=True, whole=whole)
    step = yield from _number(path, "step", space.step, required=False, whole=whole)
    if low is not None and high is not None:
        if low > high:
            yield Problem(f"{path}.min", f"must be at most max ({space.max})", space.min)
        elif step is not None and 0 < high - low < step:
            yield Problem(f"{path}.step", f"must be at most the range, {high - low}", space.step)
        elif step is not None and step > 0 and (high - low) / step >= _MOST_STEPS:
            yield Problem(f"{path}.step", "makes more values than can be counted with 63 bits", space.step)
        elif step is not None and step > 0 and not whole and _is_lost_in(step, max(abs(low), abs(high))):
            yield Problem(
                f"{path}.step", "is too small for numbers of this size: a double cannot tell them apart", space.step
            )
        if high - low > Decimal("1e308"):
            yield Problem(path, "is wider than a number can hold")
    if step is not None and step <= 0:
        yield Problem(f"{path}.step", "must be more than 0", space.step)
    if space.distribution in ("logUniform", "logNormal") and low is not None and low <= 0:
        yield Problem(f"{path}.min", f"must be more than 0 for the distribution {space.distribution}", space.min)


def _is_lost_in(step: Decimal, size: Decimal) -> bool:
    return float(size - step) == float(size)


def _number(
    path: str, field: str, text: str | None, *, required: bool, whole: bool
) -> Generator[Problem, None, Decimal | None]:
    if text is None or not text.strip():
        if required:
            yield Problem(f"{path}.{field}", "is required")
        return None
    number = parse_decimal(text)
    if number is None:
        yield Problem(f"{path}.{field}", "must be a finite number such as 0.1 or 1e-3", text)
    elif whole and parse_int(text) is None:
        yield Problem(f"{path}.{field}", "must be a whole number of at most 64 bits", text)
        return None
    return number


def _choice_problems(path: str, parameter: ParameterSpec) -> Iterator[Problem]:
    space = parameter.feasible_space
    kind = parameter.parameter_type
    for field in ("min", "max", "step"):
        if (getattr(space, field) or "").strip():
            yield Problem(f"{path}.{field}", f"is for double and int parameters; {kind} takes a list")
    if space.distribution not in (None, "uniform", "unknown"):
        yield Problem(
            f"{path}.distribution",
            f"must be left out for {kind} parameters: every value is as likely",
            space.distribution,
        )
    if not space.list:
        yield Problem(f"{path}.list", "is required: at least one value")
        return
    seen: set[object] = set()
    for index, value in enumerate(space.list):
        identity: object = value
        if kind == "discrete":
            identity = parse_decimal(value)
            if identity is None:
                yield Problem(
                    f"{path}.list[{index}]", "must be a finite number; words are for categorical parameters", value
                )
                continue
        if identity in seen:
            yield Problem(f"{path}.list[{index}]", "is listed twice", value)
        seen.add(identity)


def _condition_problems(path: str, parameters: Sequence[ParameterSpec]) -> Iterator[Problem]:
    by_name = {parameter.name: parameter for parameter in parameters}
    for index, parameter in enumerate(parameters):
        condition = parameter.condition
        if condition is None:
            continue
        here = f"{path}[{index}].condition"
        parent = by_name.get(condition.parameter)
        if parent is None:
            yield Problem(
                f"{here}.parameter",
                "is none of the parameters",
                condition.parameter,
                did_you_mean(condition.parameter, by_name),
            )
            continue
        if _is_own_ancestor(parameter, by_name):
            yield Problem(
                f"{here}.parameter", "makes a circle: a parameter cannot depend on itself", condition.parameter
            )
            continue
        if parent.parameter_type == "double":
            yield Problem(f"{here}.parameter", "must be an int, discrete or categorical parameter", condition.parameter)
            continue
        if not condition.in_:
            yield Problem(f"{here}.in", "is required: at least one value")
        for place, value in enumerate(condition.in_):
            if not _can_take(parent, value):
                allowed = parent.feasible_space.list or []
                yield Problem(
                    f"{here}.in[{place}]",
                    f"is not a value of {condition.parameter!r}, which is {_values(parent.feasible_space)}",
                    value,
                    did_you_mean(value, allowed),
                )


def _is_own_ancestor(parameter: ParameterSpec, by_name: dict[str, ParameterSpec]) -> bool:
    seen: set[str] = set()
    current: ParameterSpec | None = parameter
    while current is not None and current.condition is not None:
        if current.name in seen:
            return current.name == parameter.name
        seen.add(current.name)
        current = by_name.get(current.condition.parameter)
    return False


def _can_take(parameter: ParameterSpec, value: str) -> bool:
    space = parameter.feasible_space
    if parameter.parameter_type == "categorical":
        return value in (space.list or [])
    number = parse_decimal(value)
    if number is None:
        return False
    if parameter.parameter_type == "discrete":
        return any(parse_decimal(choice) == number for choice in space.list or [])
    low, high = parse_int(space.min or ""), parse_int(space.max or "")
    step = parse_int(space.step or "1") or 1
    if low is None or high is None:
        return True  # its own problem, said already
    return number == int(number) and low <= number <= high and (int(number) - low) % step == 0


def _values(space: FeasibleSpace) -> str:
    if space.list:
        shown = ", ".join(space.list[:8])
        return f"one of {shown}{', …' if len(space.list) > 8 else ''}"  # noqa: PLR2004 - enough to see what is meant
    return f"from {space.min} to {space.max}" + (f" by {space.step}" if space.step else "")


def constraint_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Yield what is wrong with the constraints: what they say, and of what."""
    names = {parameter.name for parameter in spec.parameters or []}
    constraints = spec.constraints or []
    if len(constraints) > _MOST_CONSTRAINTS:
        yield Problem(
            "spec.constraints", f"has {len(constraints)} constraints, at most {_MOST_CONSTRAINTS} are checked"
        )
        return
    for index, constraint in enumerate(constraints):
        path = f"spec.constraints[{index}].expression"
        try:
            expression = Expression(constraint.expression)
        except InvalidInput as error:
            yield Problem(path, error.problems[0].message)
            continue
        if not expression.names:
            yield Problem(path, "must name at least one parameter", constraint.expression)
        for name in sorted(expression.names - names):
            near = did_you_mean(name, names)
            if not all(known.isidentifier() for known in names):
                near = (
                    f"{near}{'; ' if near else ''}write names that are no plain words in backticks, as in `num-layers`"
                )
            yield Problem(path, f"{name!r} is none of the parameters", constraint.expression, near)
