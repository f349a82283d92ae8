"""What holds for the experiments' API where it is installed: it has nothing of its own that anybody could take from it."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from manifests import granted, named, of_kind, pods

from katib.access.installed_keys import API_TOKEN, OPERATOR_TOKEN

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture
def objects(rendered):
    return rendered(DEPLOY / "overlays" / "api")


def test_the_api_has_no_right_and_no_token_of_kubernetes(objects):
    assert granted(objects, "katib-api") == set()
    pod = named(objects, "Deployment", "katib-api")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    projected = [volume["projected"] for volume in pod["volumes"] if "projected" in volume]
    assert not [source for each in projected for source in each["sources"] if "serviceAccountToken" in source]


def test_it_has_its_own_token_for_the_store_and_begins_without_it(objects):
    """A Secret of an installation of before has no such token; its pod must not wait for one."""
    pod = named(objects, "Deployment", "katib-api")["spec"]["template"]["spec"]
    (keys,) = [volume["projected"]["sources"] for volume in pod["volumes"] if volume["name"] == "keys"]
    found = {
        item["key"]: source["secret"].get("optional", False) for source in keys for item in source["secret"]["items"]
    }
    assert found == {OPERATOR_TOKEN: False, API_TOKEN: True}
    (container,) = pod["containers"]
    options = dict(word.removeprefix("--").split("=", 1) for word in container["args"] if "=" in word)
    (mount,) = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "keys"]
    assert options["store-token-file"] == f"{mount}/{API_TOKEN}"
    assert options["former-store-token-file"] == f"{mount}/{OPERATOR_TOKEN}"


def test_nobody_else_has_the_token_that_may_purge(objects):
    for name, pod in pods(objects):
        if name != "Deployment/katib-api":
            assert API_TOKEN not in json.dumps(pod)


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
