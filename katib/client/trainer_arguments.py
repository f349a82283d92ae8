"""The arguments of a trainer as one JSON text, with the placeholders of what is searched among them.

A placeholder of a number or a truth value stands without quotes, so that the trainer reads what it is: ``bool("False")`` is true.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import TYPE_CHECKING, Any, Final

from katib.client.documents import document_of
from katib.client.search import SearchParameter
from katib.client.tune_settings import parameter_of, text_of
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import ParameterSpec

__all__ = ["TrainerArguments"]

_WORDS: Final = {"True": True, "False": False}
"""What Katib's ``search.categorical`` makes of truth values."""
_NUMBERS: Final = ("int", "double", "discrete")


class TrainerArguments:
    """Arguments that were handed over, read.

    Args:
        argument: What they are called, for messages.
        given: A dict, an object with ``to_dict``, or any object with attributes.
        defaults: What is added where it is not given.

    Attributes:
        text: The JSON.
        space: What is searched among them.

    Raises:
        InvalidInput: Something in them can be in no JSON, or is searched where nothing can be.
    """

    def __init__(self, argument: str, given: Any, *, defaults: Mapping[str, Any] | None = None) -> None:
        self.space: list[ParameterSpec] = []
        self._texts: dict[str, dict[Any, str]] = {}
        bare: list[str] = []
        tree: dict[str, Any] = {}
        for name, value in {**(defaults or {}), **_fields(argument, given)}.items():
            if isinstance(value, str) and value == f"<{name.upper()}>":
                continue  # transformers shows no tokens; a mask would take the place of the trainer's own
            path = f"{argument}.{name}"
            parameter = parameter_of(name, value)
            if parameter is None:
                tree[name] = document_of(_plain(value, path), path)
                continue
            written, is_bare = self._searched(path, parameter, value)
            self.space.append(written)
            tree[name] = _placeholder(name)
            if is_bare:
                bare.append(name)
        self.text = json.dumps(tree, ensure_ascii=False)
        for name in bare:
            self.text = self.text.replace(f'"{_placeholder(name)}"', _placeholder(name))

    def text_of(self, parameter: str, value: Any) -> str | None:
        """Return how a value of a parameter is written in an experiment; None for a parameter that is not here."""
        if all(one.name != parameter for one in self.space):
            return None
        texts = self._texts.get(parameter, {})
        return next((text for known, text in texts.items() if known is value or _same(known, value)), text_of(value))

    def _searched(self, path: str, parameter: ParameterSpec, given: Any) -> tuple[ParameterSpec, bool]:
        """Return a parameter as it stands in the experiment, and whether its placeholder stands without quotes."""
        listed = parameter.feasible_space.list
        if parameter.parameter_type in _NUMBERS:
            return parameter, all(_is_number(text) for text in listed or ())
        texts = listed or []
        if isinstance(given, SearchParameter):
            values = [given.value(text) for text in texts]
        else:
            values = [_WORDS[text] for text in texts] if {*texts} <= _WORDS.keys() else [*texts]
        words = [isinstance(value, str) for value in values]
        if all(words):
            self._check_words(path, texts)
            return parameter, False
        if any(words):
            message = "lists texts beside other values, which one place of JSON cannot have: list only one of both"
            raise InvalidInput([Problem(path, message, repr(values))])
        written = [json.dumps(document_of(value, path)) for value in values]
        self._texts[parameter.name] = dict(zip(values, written, strict=True))
        space = parameter.feasible_space.model_copy(update={"list": written})
        return parameter.model_copy(update={"feasible_space": space}), True

    def _check_words(self, path: str, texts: list[str]) -> None:
        wrong = [text for text in texts if json.dumps(text, ensure_ascii=False) != f'"{text}"']
        if wrong:
            raise InvalidInput([Problem(path, "lists a text with quotes, backslashes or line ends", wrong[0])])


def _placeholder(name: str) -> str:
    return f"${{trialParameters.{name}}}"


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _is_number(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (int, float)) and text not in ("true", "false")
    except ValueError:
        return False


def _fields(argument: str, given: Any) -> dict[str, Any]:
    """Return arguments by their names, without a change to the object."""
    told = getattr(given, "to_dict", None)
    if given is None:
        return {}
    if isinstance(given, dict):
        fields = given
    elif callable(told) and not isinstance(given, type):
        fields = told()
    elif hasattr(given, "__dict__") and not isinstance(given, type):
        fields = vars(given)
    else:
        fields = None
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise InvalidInput([Problem(argument, "must be a dict of arguments, or an object that has them", repr(given))])
    return fields


def _plain(value: Any, path: str) -> Any:
    """Return a value with what JSON does not know made into what it does.

    Raises:
        InvalidInput: A search parameter is further down than at the top.
    """
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(each, path) for each in value), key=repr)  # the same call makes the same experiment
    if isinstance(value, (list, tuple)):
        return [_plain(each, f"{path}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, dict):
        return {name: _plain(each, f"{path}.{name}") for name, each in value.items()}
    if parameter_of("it", value) is not None:
        message = "is a search parameter inside of a value: only whole arguments can be searched"
        raise InvalidInput([Problem(path, message)])
    if dataclasses.is_dataclass(value):
        return {
            each.name: _plain(getattr(value, each.name), f"{path}.{each.name}") for each in dataclasses.fields(value)
        }
    return value
