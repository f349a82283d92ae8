"""Names and labels: what Kubernetes takes, names with room for what is put behind them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from katib.api.kubernetes_text import label_problems
from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.api.experiment import Experiment

__all__ = ["metadata_problems"]

_LONGEST_NAME: Final = 40
"""Katib's limit: the names of trials and of the suggestion's objects are made by appending to it."""
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def metadata_problems(experiment: Experiment) -> Iterator[Problem]:
    """Yield what is wrong with the name, the namespace and the labels."""
    name, namespace = experiment.metadata.name, experiment.metadata.namespace
    if not name:
        yield Problem("metadata.name", "is required")
    elif not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        yield Problem(
            "metadata.name",
            f"must be at most {_LONGEST_NAME} lower-case letters, digits and '-', begin with a letter and not end with '-'",
            name,
        )
    if namespace is not None and not _NAMESPACE.fullmatch(namespace):
        yield Problem(
            "metadata.namespace",
            "must be at most 63 lower-case letters, digits and '-', and neither begin nor end with '-'",
            namespace,
        )
    yield from label_problems(experiment.metadata.labels or {}, "metadata.labels")
