"""What ``KatibClient.tune`` fine-tunes: a model, a data set and the arguments of Hugging Face's Trainer.

The classes have the names and fields of ``kubeflow.storage_initializer``, which needs transformers, peft and torch; whoever has that package
may hand over its objects. What is read here is read by the names of the fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlparse

from katib.client.documents import document_of
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "HuggingFaceDatasetParams",
    "HuggingFaceModelParams",
    "HuggingFaceTrainerParams",
    "S3DatasetParams",
    "dataset_words",
    "model_words",
    "trainer_parts",
]

_MODEL: Final = "model_provider_parameters"
_DATASET: Final = "dataset_provider_parameters"
_TRAINER: Final = "trainer_parameters"
_HUGGING_FACE: Final = "hf"
_SCHEMES: Final = ("", _HUGGING_FACE)


@dataclass
class HuggingFaceModelParams:
    """A model of Hugging Face's hub.

    Attributes:
        model_uri: Such as ``hf://google-bert/bert-base-cased``.
        transformer_type: What loads it: a class of transformers, or its name, such as ``AutoModelForCausalLM``.
        access_token: For a model that is not open to everybody. It stands in the experiment, which others may read; ``$(NAME)`` takes it
            from a variable of ``env_per_trial``.
        num_labels: For a model that classifies.
    """

    model_uri: str
    transformer_type: Any
    access_token: str | None = None
    num_labels: int | None = None


@dataclass
class HuggingFaceDatasetParams:
    """A data set of Hugging Face's hub.

    Attributes:
        repo_id: Such as ``imdatta0/ultrachat_1k``.
        access_token: As of the model.
        split: Which part of it, such as ``train[:1000]``.
    """

    repo_id: str
    access_token: str | None = None
    split: str | None = None


@dataclass
class S3DatasetParams:
    """A data set in a bucket.

    Attributes:
        endpoint_url: Of the object store.
        bucket_name: In it.
        file_key: What the keys of the files begin with.
        region_name: Of the bucket.
        access_key: As the access token of a model; so is ``secret_key``.
        secret_key: Of that key.
    """

    endpoint_url: str
    bucket_name: str
    file_key: str
    region_name: str | None = None
    access_key: str | None = None
    secret_key: str | None = None


@dataclass
class HuggingFaceTrainerParams:
    """How a model is trained; what ``katib.search`` makes may stand for any value.

    Attributes:
        training_parameters: ``transformers.TrainingArguments``, or a dict of those that are not to be as by default.
        lora_config: ``peft.LoraConfig``, or a dict likewise.
    """

    training_parameters: Any = field(default_factory=dict)
    lora_config: Any = field(default_factory=dict)


def model_words(given: Any) -> tuple[list[str], list[str]]:
    """Return what the storage initializer is told of a model, and what the trainer is.

    Raises:
        InvalidInput: It is no model's parameters; the message says what is wrong.
    """
    fields = _fields(_MODEL, given, ("model_uri", "transformer_type"), HuggingFaceModelParams)
    uri, kind, labels = (fields.get(name) for name in ("model_uri", "transformer_type", "num_labels"))
    problems = [_text_problem(_MODEL, "model_uri", uri), _token_problem(_MODEL, fields)]
    if isinstance(uri, str) and urlparse(uri).scheme not in _SCHEMES:
        message = "is no model of Hugging Face's hub: write hf://OWNER/MODEL"
        problems.append(Problem(f"{_MODEL}.model_uri", message, uri))
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    if not (isinstance(name, str) and name.isidentifier()):
        message = "must be a class of transformers or its name, such as AutoModelForSequenceClassification"
        problems.append(Problem(f"{_MODEL}.transformer_type", message, kind if kind is None else repr(kind)))
    if labels is not None and (type(labels) is not int or labels < 1):
        problems.append(Problem(f"{_MODEL}.num_labels", "must be a whole number from 1 on", repr(labels)))
    _raise(problems)
    initializer = {**fields, "transformer_type": name}
    trainer = ["--model_uri", str(uri), "--transformer_type", name, "--num_labels", str(labels)]
    return _words("model", _HUGGING_FACE, initializer), trainer


def dataset_words(given: Any) -> list[str]:
    """Return what the storage initializer is told of a data set.

    Raises:
        InvalidInput: It is none of the hub's and in no bucket; the message says what is wrong.
    """
    if hasattr(given, "bucket_name"):
        names: tuple[str, ...] = ("endpoint_url", "bucket_name", "file_key")
        provider = "s3"
    else:
        names, provider = ("repo_id",), _HUGGING_FACE
    fields = _fields(_DATASET, given, names, HuggingFaceDatasetParams, S3DatasetParams)
    problems = [_text_problem(_DATASET, name, fields.get(name)) for name in names]
    problems.append(_token_problem(_DATASET, fields))
    url = urlparse(str(fields.get("endpoint_url") or "http://unsaid"))
    if not (url.scheme and url.netloc):
        message = "must be a whole URL, such as https://s3.example.org"
        problems.append(Problem(f"{_DATASET}.endpoint_url", message, fields["endpoint_url"]))
    _raise(problems)
    return _words("dataset", provider, fields)


def trainer_parts(given: Any) -> tuple[Any, Any]:
    """Return the arguments of the Trainer and the configuration of LoRA, as they were handed over.

    Raises:
        InvalidInput: There is neither.
    """
    if not all(hasattr(given, name) for name in ("training_parameters", "lora_config")):
        raise InvalidInput([Problem(_TRAINER, "must be a HuggingFaceTrainerParams", repr(given))])
    return given.training_parameters, given.lora_config


def _fields(argument: str, given: Any, needed: tuple[str, ...], *wanted: type) -> dict[str, Any]:
    """Return the fields of an object by their names."""
    fields = dict(vars(given)) if hasattr(given, "__dict__") and not isinstance(given, type) else {}
    if not all(name in fields for name in needed):
        kinds = " or ".join(f"a {each.__name__}" for each in wanted)
        raise InvalidInput([Problem(argument, f"must be {kinds}", repr(given))])
    return fields


def _text_problem(argument: str, name: str, value: Any) -> Problem | None:
    if isinstance(value, str) and value.strip():
        return None
    return Problem(f"{argument}.{name}", "must be a text that is not empty", None if value is None else repr(value))


def _token_problem(argument: str, fields: Mapping[str, Any]) -> Problem | None:
    """Whether something is said that is no text, where only texts are."""
    for name, value in fields.items():
        if name not in ("transformer_type", "num_labels") and not isinstance(value, str | None):
            return Problem(f"{argument}.{name}", "must be a text", repr(value))
    return None


def _raise(problems: list[Problem | None]) -> None:
    found = {problem.path: problem for problem in problems if problem is not None}
    if found:
        raise InvalidInput([*found.values()])


def _words(what: str, provider: str, fields: Mapping[str, Any]) -> list[str]:
    said = json.dumps(document_of(dict(fields), f"{what}_provider_parameters"))
    return [f"--{what}_provider", provider, f"--{what}_provider_parameters", said]
