"""``katib.search``: a search space written in Python, each parameter by one call; Katib's own calls mean what they did.

    parameters = {
        "lr": katib.search.double(1e-5, 1e-1, log=True),
        "layers": katib.search.int(1, 8),
        "optimizer": katib.search.categorical(["sgd", "adam"]),
    }

A mistake is said by the call that makes it. What a call returns is a ``ParameterSpec`` that has no name yet (``named`` gives it one) and
remembers the Python values of its list.
"""

from __future__ import annotations

import builtins
import decimal
import numbers
from typing import TYPE_CHECKING, Final, get_args

from pydantic import PrivateAttr

from katib.api.experiment import Distribution, ExperimentSpec, FeasibleSpace, ParameterSpec
from katib.api.similar import did_you_mean
from katib.api.typed_value import typed_value
from katib.api.validate.parameters import parameter_problems
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.api.experiment import ParameterType

__all__ = ["SearchParameter", "categorical", "discrete", "double", "int"]

_DISTRIBUTIONS: Final = tuple(name for name in get_args(Distribution) if name != "unknown")
_LOGARITHMIC: Final = {None: "logUniform", "normal": "logNormal", "logUniform": "logUniform", "logNormal": "logNormal"}
_WHERE: Final = "katib.search."

Number = float | decimal.Decimal | str
"""What a number may be written as; also numpy's, and the text of one, as Katib takes it."""


class SearchParameter(ParameterSpec):
    """A parameter of a search space that is not named yet."""

    name: str = ""
    _values: dict[str, object] = PrivateAttr(default_factory=dict)

    def named(self, name: str) -> ParameterSpec:
        """Return the parameter under a name, as an experiment has it.

        Raises:
            InvalidInput: It is no name.
        """
        if not isinstance(name, str) or not name.strip():  # type: ignore[redundant-expr] # people pass anything
            raise InvalidInput(f"a parameter's name is a text that is not empty, not {name!r}")
        return ParameterSpec(name=name, parameter_type=self.parameter_type, feasible_space=self.feasible_space)

    def value(self, text: str) -> object:
        """Return the Python value that one of its texts stands for: of a list, what was listed."""
        return self._values[text] if text in self._values else typed_value(self.parameter_type, text)


def double(
    min: Number,  # noqa: A002 - Katib's names
    max: Number,  # noqa: A002
    step: Number | None = None,
    *,
    log: bool = False,
    distribution: Distribution | None = None,
) -> SearchParameter:
    """Return a parameter whose values are the numbers from ``min`` to ``max``.

    Example::

        katib.search.double(1e-5, 1e-1, log=True)

    Args:
        min: The least value.
        max: The greatest one.
        step: The distance between values; without it there is any number between.
        log: Draw the logarithm, so that each order of magnitude is as likely.
        distribution: ``uniform`` (the default), ``logUniform``, ``normal`` or ``logNormal``.

    Raises:
        InvalidInput: There is no such range; the message says why.
    """
    return _range("double", min, max, step, log=log, distribution=distribution)


def int(  # noqa: A001 - Katib's name
    min: Number,  # noqa: A002
    max: Number,  # noqa: A002
    step: Number | None = None,
    *,
    log: bool = False,
    distribution: Distribution | None = None,
) -> SearchParameter:
    """Return a parameter whose values are the whole numbers from ``min`` to ``max``; see ``double``.

    Example::

        katib.search.int(16, 256, step=16)

    Raises:
        InvalidInput: There is no such range; the message says why.
    """
    return _range("int", min, max, step, log=log, distribution=distribution)


def categorical(list: Iterable[object]) -> SearchParameter:  # noqa: A002 - Katib's name
    """Return a parameter whose value is one of a list of words; numbers, booleans and None count as the words they print as.

    Example::

        katib.search.categorical(["sgd", "adam"])

    Raises:
        InvalidInput: The list is empty, has a value twice, or something that is no word.
    """
    return _choice("categorical", list)


def discrete(list: Iterable[Number]) -> SearchParameter:  # noqa: A002 - as ``categorical``
    """Return a parameter whose value is one of a list of numbers, which have an order.

    Example::

        katib.search.discrete([16, 32, 64, 128])

    Raises:
        InvalidInput: The list is empty, has a number twice, or something that is no number.
    """
    return _choice("discrete", list)


def _range(
    kind: ParameterType,
    low: object,
    high: object,
    step: object,
    *,
    log: bool,
    distribution: Distribution | None,
) -> SearchParameter:
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        message = f"must be one of {', '.join(_DISTRIBUTIONS)}"
        hint = did_you_mean(str(distribution), _DISTRIBUTIONS)
        raise InvalidInput([Problem(f"{_WHERE}{kind}(distribution)", message, distribution, hint)])
    if log:
        if distribution not in _LOGARITHMIC:
            raise InvalidInput([Problem(f"{_WHERE}{kind}(log)", "cannot be true beside distribution='uniform'")])
        distribution = _LOGARITHMIC[distribution]  # type: ignore[assignment] # they are names of distributions
    texts = {}
    problems = []
    for field, value in (("min", low), ("max", high), ("step", step)):
        if value is None and field == "step":
            continue
        text = _number(value)
        if text is None:
            problems.append(Problem(f"{_WHERE}{kind}({field})", "must be a finite number", repr(value)))
        else:
            texts[field] = text
    if problems:
        raise InvalidInput(problems)
    return _checked(kind, FeasibleSpace(**texts, distribution=distribution))


def _choice(kind: ParameterType, listed: Iterable[object]) -> SearchParameter:
    where = f"{_WHERE}{kind}(list)"
    if isinstance(listed, (str, bytes)) or not hasattr(listed, "__iter__"):
        raise InvalidInput([Problem(where, "must be a list of values", repr(listed))])
    values = [*listed]
    texts: builtins.list[str] = []
    problems = []
    for place, value in enumerate(values):
        text = _number(value) if kind == "discrete" else _word(value)
        if text is None:
            wanted = "a finite number" if kind == "discrete" else "a text, a number, a boolean or None"
            problems.append(Problem(f"{where}[{place}]", f"must be {wanted}", repr(value)))
        else:
            texts.append(text)
    if problems:
        raise InvalidInput(problems)
    return _checked(kind, FeasibleSpace(list=texts), dict(zip(texts, values, strict=True)))


def _checked(kind: ParameterType, space: FeasibleSpace, values: dict[str, object] | None = None) -> SearchParameter:
    made = SearchParameter(parameter_type=kind, feasible_space=space)
    if values is not None:
        made._values = values  # noqa: SLF001 - of this module
    spec = ExperimentSpec(parameters=[made.named("it")])
    problems = [
        Problem(f"{_WHERE}{kind}({_field(problem.path)}", problem.message, problem.value, problem.hint)
        for problem in parameter_problems(spec)
    ]
    if problems:
        raise InvalidInput(problems)
    return made


def _field(path: str) -> str:
    """Return the argument that a path in an experiment is about, behind an opened bracket."""
    field = path.partition("feasibleSpace")[2].lstrip(".") or "min, max"
    name, bracket, rest = field.partition("[")
    return f"{name}){bracket}{rest}"


def _number(value: object) -> str | None:
    """Return how a number is written; None for what is none."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, (bool, complex)) or not isinstance(value, (numbers.Number, decimal.Decimal)):
        return None
    if isinstance(value, numbers.Integral):
        return str(builtins.int(value))
    if isinstance(value, decimal.Decimal):
        return str(value) if value.is_finite() else None
    number = float(value)  # type: ignore[arg-type] # numpy's and fractions as well
    return repr(number) if abs(number) < float("inf") else None


def _word(value: object) -> str | None:
    """Return how a value is written as a word."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return str(value)
    return _number(value)
