"""What holds for the experiments' API where it is installed: it has nothing of its own that anybody could take from it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from manifests import granted, named, of_kind

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture
def objects(rendered):
    return rendered(DEPLOY / "overlays" / "api")


def test_the_api_has_no_right_and_no_token_of_kubernetes(objects):
    assert granted(objects, "katib-api") == set()
    pod = named(objects, "Deployment", "katib-api")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert not [volume for volume in pod["volumes"] if "projected" in volume]
    (keys,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "keys"]
    assert [item["key"] for item in keys["items"]] == ["operator.token"]


def test_tokens_of_callers_go_over_tls_only(objects, composed):
    for installed in (objects, composed("standalone-pvc", "api")):
        (container,) = named(installed, "Deployment", "katib-api")["spec"]["template"]["spec"]["containers"]
        assert {"--tls-cert=/etc/katib/tls/tls.crt", "--tls-key=/etc/katib/tls/tls.key"} <= set(container["args"])
        assert "--insecure-plaintext" not in container["args"]
        assert any(word.startswith("--kubernetes-ca=") for word in container["args"])


def test_its_certificate_has_its_names(objects):
    names = named(objects, "Certificate", "katib-api")["spec"]["dnsNames"]
    (service,) = [each for each in of_kind(objects, "Service") if each["metadata"]["name"] == "katib-api"]
    assert f"{service['metadata']['name']}.{service['metadata']['namespace']}" in names
    (container,) = named(objects, "Deployment", "katib-api")["spec"]["template"]["spec"]["containers"]
    assert "--root-ca=/etc/katib/tls/ca.crt" in container["args"]
