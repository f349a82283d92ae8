"""What a query may speak of: the kinds of names, the attributes of each kind of thing, and the type each of them has.

The names are MLflow's where MLflow has one, because every filter of MLflow's has to mean here what it means there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "EXPERIMENTS",
    "PROJECTS",
    "RUNS",
    "Attribute",
    "Entity",
    "Type",
    "Vocabulary",
    "entity_named",
]


class Type(enum.Enum):
    """What the values of a field are; it decides which literals and operators fit."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    DURATION = "duration"


class Entity(enum.Enum):
    """The kinds of names; the value is the word that stands before the dot when a query is printed."""

    ATTRIBUTE = "attributes"
    METRIC = "metrics"
    PARAMETER = "params"
    TAG = "tags"
    PROPERTY = "properties"
    DATASET = "datasets"

    @property
    def is_typed_by_use(self) -> bool:
        """Whether a value has a text and perhaps a number, and the literal beside it says which is meant."""
        return self in {Entity.PARAMETER, Entity.PROPERTY}


_ENTITIES: Final[Mapping[str, Entity]] = MappingProxyType(
    {
        "attribute": Entity.ATTRIBUTE,
        "attributes": Entity.ATTRIBUTE,
        "attr": Entity.ATTRIBUTE,
        "run": Entity.ATTRIBUTE,
        "metric": Entity.METRIC,
        "metrics": Entity.METRIC,
        "param": Entity.PARAMETER,
        "params": Entity.PARAMETER,
        "parameter": Entity.PARAMETER,
        "parameters": Entity.PARAMETER,
        "tag": Entity.TAG,
        "tags": Entity.TAG,
        "property": Entity.PROPERTY,
        "properties": Entity.PROPERTY,
        "dataset": Entity.DATASET,
        "datasets": Entity.DATASET,
    }
)


def entity_named(word: str) -> Entity | None:
    """Return the entity a word before a dot means; the case counts, as in MLflow."""
    return _ENTITIES.get(word)


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something every thing of a kind has.

    Attributes:
        name: Its one name in parsed queries.
        aliases: Other ways to write it.
    """

    name: str
    type: Type = Type.TEXT
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What can be asked about one kind of thing.

    Attributes:
        noun: What the things are called in messages.
        attributes: In the order in which a message lists them.
        entities: Which kinds of names there are beside attributes.
        default_order: The order of a list for which none was asked, and what decides between equals before the id does.
        ids_descend: Whether, between equals, the greater id comes first.
    """

    noun: str
    attributes: tuple[Attribute, ...]
    entities: frozenset[Entity]
    default_order: tuple[tuple[str, bool], ...] = ()
    ids_descend: bool = False
    _by_name: dict[str, Attribute] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = {name: each for each in self.attributes for name in (each.name, *each.aliases)}
        object.__setattr__(self, "_by_name", names)

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of a name or an alias."""
        return self._by_name.get(name)

    @property
    def entity_words(self) -> list[str]:
        """Every word that may stand before a dot."""
        return [word for word, entity in _ENTITIES.items() if entity in self.entities]


DATASET_KEYS: Final = ("name", "digest", "context")

_EVERYTHING: Final = frozenset(Entity)

RUNS: Final = Vocabulary(
    noun="runs",
    attributes=(
        Attribute("run_id"),
        Attribute("run_name", aliases=("run name", "Run name", "Run Name", "name")),
        Attribute("status"),
        Attribute("state"),
        Attribute("reason"),
        Attribute("start_time", Type.TIME, aliases=("created", "Created")),
        Attribute("end_time", Type.TIME),
        Attribute("creation_time", Type.TIME),
        Attribute("duration", Type.DURATION),
        Attribute("index", Type.NUMBER),
        Attribute("artifact_uri"),
        Attribute("user_id", aliases=("owner",)),
        Attribute("experiment"),
        Attribute("experiment_id"),
        Attribute("project"),
        Attribute("project_id"),
    ),
    entities=_EVERYTHING,
    default_order=(("start_time", True),),
    ids_descend=True,
)
"""Trials, which MLflow calls runs. ``status`` is in MLflow's words, ``state`` in ours."""

EXPERIMENTS: Final = Vocabulary(
    noun="experiments",
    attributes=(
        Attribute("experiment_id"),
        Attribute("name"),
        Attribute("state"),
        Attribute("creation_time", Type.TIME),
        Attribute("last_update_time", Type.TIME),
        Attribute("start_time", Type.TIME),
        Attribute("end_time", Type.TIME),
        Attribute("duration", Type.DURATION),
        Attribute("algorithm"),
        Attribute("objective"),
        Attribute("objective_type"),
        Attribute("trials", Type.NUMBER),
        Attribute("best", Type.NUMBER),
        Attribute("user_id", aliases=("owner",)),
        Attribute("project"),
        Attribute("project_id"),
    ),
    entities=frozenset({Entity.ATTRIBUTE, Entity.TAG, Entity.PROPERTY, Entity.DATASET}),
    default_order=(("creation_time", True),),
    ids_descend=True,
)
"""Tuning experiments, which MLflow sees as parent runs."""

PROJECTS: Final = Vocabulary(
    noun="projects",
    attributes=(
        Attribute("name"),
        Attribute("experiment_id", aliases=("project_id",)),
        Attribute("creation_time", Type.TIME),
        Attribute("last_update_time", Type.TIME),
        Attribute("user_id", aliases=("owner",)),
    ),
    entities=frozenset({Entity.ATTRIBUTE, Entity.TAG, Entity.PROPERTY}),
    default_order=(("creation_time", True),),
    ids_descend=True,
)
"""Projects, which MLflow calls experiments; the names are those of its search for experiments."""
