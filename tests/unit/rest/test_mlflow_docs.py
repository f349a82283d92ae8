"""docs/mlflow.md lists the operations that there are."""

import re
from pathlib import Path

from katib.rest.mlflow.api import MlflowApi

TEXT = (Path(__file__).parents[3] / "docs" / "mlflow.md").read_text(encoding="utf-8")


def test_every_operation_is_listed_and_no_other():
    table = TEXT.split("## Calls")[1].split("and below")[0]
    said = set()
    for prefix, names in re.findall(r"^\| `(mlflow[-a-z/]*/)` \| (.*) \|$", table, re.MULTILINE):
        said |= {re.sub("/(PATH|ID).*", "", prefix + name) for name in re.findall(r"`([^`]+)`", names)}
    there = {
        operation.path.removeprefix("/api/2.0/").split("/{")[0]
        for operation in MlflowApi().operations()
        if operation.path.startswith("/api/2.0/")
    }
    # Where a part goes is told by the answer to mpu/create.
    assert there - {"mlflow-artifacts/mpu/part"} == said


def test_pages_call_the_same_operations():
    paths = {root: set() for root in ("/api/", "/ajax-api/")}
    for operation in MlflowApi().operations():
        for root, found in paths.items():
            if operation.path.startswith(root):
                found.add((operation.method, operation.path.removeprefix(root)))
    assert paths["/api/"] == paths["/ajax-api/"]
