"""Reading whole files as every entrance of the product does."""

import pytest

from katib.admission import admit_all
from katib.errors import InvalidExperiment, NotFound


class ConfigMaps(dict):
    """ConfigMaps by (namespace, name, key)."""

    def read(self, namespace, name, key):
        try:
            return self[namespace, name, key]
        except KeyError:
            raise NotFound(f"there is no ConfigMap {namespace}/{name} with {key}") from None


@pytest.fixture
def config_maps():
    """An empty cluster."""
    return ConfigMaps()


@pytest.fixture
def admitted(config_maps):
    """Admit a text."""
    return lambda text, **more: admit_all(text, config_maps=config_maps, **more)


@pytest.fixture
def refused(config_maps):
    """Refuse a text and return its problems."""

    def check(text, **more):
        with pytest.raises(InvalidExperiment) as caught:
            admit_all(text, config_maps=config_maps, **more)
        return caught.value.problems

    return check
