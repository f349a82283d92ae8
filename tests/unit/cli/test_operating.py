"""What an operator is told by options, and what by Katib's configuration."""

from pathlib import Path

import pytest

from katib.cli.operating import KatibConfigPlace, WebhookPlace, health_addresses, with_katib_config
from katib.errors import InvalidInput
from katib.operator.katib_config import ControllerSettings
from katib.operator.settings import OperatorSettings


@pytest.mark.parametrize(
    ("option", "stated", "wanted"),
    [(None, None, True), (None, False, False), (None, True, True), (True, False, True), (False, True, False)],
)
def test_an_option_goes_before_the_configuration(option, stated, wanted):
    settings = with_katib_config(OperatorSettings(), ControllerSettings(leader_election=stated), option)
    assert settings.leader_election is wanted


def test_the_lease_is_called_as_the_configuration_says():
    assert with_katib_config(OperatorSettings(), ControllerSettings(lease_name="a.b"), None).lease_name == "a.b"
    assert with_katib_config(OperatorSettings(), None, None) == OperatorSettings()


@pytest.mark.parametrize(
    ("option", "health", "metrics", "wanted"),
    [
        ("h:1", ":2", ":3", ["h:1"]),
        (None, "", "", ["127.0.0.1:8080"]),
        (None, ":18080", ":8080", [":18080", ":8080"]),
        (None, ":8080", ":8080", [":8080"]),
        (None, "", ":8080", [":8080"]),
        (None, "0", ":8080", [":8080"]),
        (None, "0", "0", []),
    ],
)
def test_where_probes_and_prometheus_ask(option, health, metrics, wanted):
    assert health_addresses(option, ControllerSettings(health_address=health, metrics_address=metrics)) == wanted


def test_without_a_configuration_there_is_one_address():
    assert health_addresses(None, None) == ["127.0.0.1:8080"]


@pytest.mark.parametrize("place", ["katib-config", "/katib-config", "katib/", "a/b/c"])
def test_a_config_map_has_a_namespace_and_a_name(place):
    with pytest.raises(InvalidInput, match="must be NAMESPACE/NAME"):
        KatibConfigPlace(None, place).source(None)


def test_one_place_is_read():
    with pytest.raises(InvalidInput, match="one of them is read"):
        KatibConfigPlace(Path("file"), "katib/katib-config").source(None)
    assert KatibConfigPlace().source(None) is None


def test_a_webhook_needs_its_files():
    file = Path("file")
    assert WebhookPlace.of(None, None, None, None) is None
    assert WebhookPlace.of("a:1", file, file, None) == WebhookPlace("a:1", file, file, None)
    for missing in (
        ("a:1", None, file, None),
        ("a:1", file, None, None),
        (None, file, file, None),
        (None, None, None, file),
    ):
        with pytest.raises(InvalidInput, match="is required"):
            WebhookPlace.of(*missing)
