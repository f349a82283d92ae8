"""Makes message classes from descriptors, in a pool that is shared with nobody.

Katib's own generated module (and Optuna's) registers ``api.proto`` in the pool that all of a process use, where a second file of
that name is refused; people who migrate have both in one process. ``make proto`` writes the descriptors and their types.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

__all__ = ["POOL", "load"]

POOL: Final = descriptor_pool.DescriptorPool()
"""Everything that was loaded, for reflection."""


def load(name: str) -> dict[str, Any]:
    """Return what a generated module has: its messages and enums by name, their values, and ``DESCRIPTOR``."""
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(files(__package__).joinpath(name).read_bytes())
    for file in descriptors.file:
        POOL.AddSerializedFile(file.SerializeToString())
    loaded = POOL.FindFileByName(descriptors.file[-1].name)
    found: dict[str, Any] = {"DESCRIPTOR": loaded}
    for key, message in loaded.message_types_by_name.items():
        found[key] = message_factory.GetMessageClass(message)
    for key, enum in loaded.enum_types_by_name.items():
        found[key] = EnumTypeWrapper(enum)
        found.update((value.name, value.number) for value in enum.values)
    return found
