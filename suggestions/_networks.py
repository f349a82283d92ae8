"""What `enas` and `darts` share: the outline of a network, checked, and the way in which Katib's training programs read texts.

It chooses nothing. A text is JSON with single quotes in place of double ones, so that it survives a shell word of either kind.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.algorithm.problem import SearchProblem

__all__ = ["NETWORK", "from_quoted", "quoted", "quoting_problems", "required_problems"]

NETWORK: Final = "spec.nasConfig"
_KATIB_NAMES: Final = {"numLayers": "NumLayers", "inputSizes": "InputSizes", "outputSizes": "OutputSizes"}


def quoted(value: Any) -> str:
    """Return a value as Katib's training programs expect it."""
    return json.dumps(value).replace('"', "'")


def from_quoted(text: str) -> Any:
    """Return the value of such a text.

    Raises:
        ValueError: It is no JSON.
    """
    return json.loads(text.replace("'", '"'))


def required_problems(problem: SearchProblem, *fields: str) -> Iterator[Problem]:
    """Yield which fields of the graph are missing, and whether there is no operation."""
    if problem.nas is None:
        yield Problem(NETWORK, "is required")
        return
    graph = problem.nas.graph_config
    stated = {"numLayers": graph.num_layers, "inputSizes": graph.input_sizes, "outputSizes": graph.output_sizes}
    for field in fields:
        if not stated[field]:
            text = f"Missing {_KATIB_NAMES[field]} in GraphConfig"
            yield Problem(f"{NETWORK}.graphConfig.{field}", "is required", katib_text=text)
    if not problem.nas.operations:
        yield Problem(f"{NETWORK}.operations", "is required: at least one operation")


def quoting_problems(problem: SearchProblem) -> Iterator[Problem]:
    """Yield which names and values could not be read again from a text whose quotes were replaced."""
    for index, operation in enumerate(problem.nas.operations if problem.nas else []):
        path = f"{NETWORK}.operations[{index}]"
        stated = [(f"{path}.operationType", operation.operation_type)]
        for place, parameter in enumerate(operation.parameters or []):
            below = f"{path}.parameters[{place}]"
            stated.append((f"{below}.name", parameter.name))
            stated += [
                (f"{below}.feasibleSpace.list[{number}]", value)
                for number, value in enumerate(parameter.feasible_space.list or [])
            ]
        for where, text in stated:
            if "'" in text or '"' in text:
                yield Problem(
                    where, "must not have quotes: training programs are given JSON with its quotes replaced", text
                )
