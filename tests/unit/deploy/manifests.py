"""What tests ask of rendered manifests."""

from collections.abc import Iterator
from typing import Any

from katib.api.trial_kind import trial_kinds

Object = dict[str, Any]
CLUSTER_SCOPED = {
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "MutatingWebhookConfiguration",
}
WORKLOADS = {"Deployment", "StatefulSet", "Job"}


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def named(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    return found


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Yield the name and the pod template of every workload."""
    for each in of_kind(objects, *WORKLOADS):
        yield f"{each['kind']}/{each['metadata']['name']}", each["spec"]["template"]


def containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def matches(selector: Object, labels: Object) -> bool:
    """Whether a label selector selects labels."""
    for name, value in (selector.get("matchLabels") or {}).items():
        if labels.get(name) != value:
            return False
    for rule in selector.get("matchExpressions") or ():
        value, values = labels.get(rule["key"]), rule.get("values") or ()
        held = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not held[rule["operator"]]:
            return False
    return True


def allowed(rules: list[Object]) -> set[tuple[str, str, str]]:
    """Return group, resource and verb of everything that rules allow."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def granted(objects: list[Object], account: str) -> set[tuple[str, str, str]]:
    """Return what the bindings of a service account allow, in its namespace or in all."""
    found = set()
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        if account in {subject["name"] for subject in binding["subjects"]}:
            role = named(objects, binding["roleRef"]["kind"], binding["roleRef"]["name"])
            roles = [role]
            for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors", ()):
                roles += [
                    each
                    for each in of_kind(objects, "ClusterRole")
                    if matches(selector, each["metadata"].get("labels", {}))
                ]
            for each in roles:
                found |= allowed(each.get("rules") or [])
    return found


def of_trials() -> set[tuple[str, str, str]]:
    """Return what the operator does with the jobs of the shipped kinds."""
    verbs = ("get", "list", "watch", "create", "delete")
    return {(kind.group, kind.plural, verb) for kind in trial_kinds() for verb in verbs}
