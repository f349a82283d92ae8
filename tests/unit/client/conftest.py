"""What a trial's environment is, for programs that are tested outside of one."""

import pytest

VARIABLES = (
    "KATIB_DB_MANAGER_ADDRESS",
    "KATIB_DB_MANAGER_SERVICE_PORT",
    "KATIB_EXPERIMENT_NAME",
    "KATIB_METRICS_FILE",
    "KATIB_NAMESPACE",
    "KATIB_REPORT_TOKEN",
    "KATIB_TRIAL_DIR",
    "KATIB_TRIAL_INDEX",
    "KATIB_TRIAL_NAME",
    "KATIB_TRIAL_PARAMETERS",
)


@pytest.fixture
def by_hand(monkeypatch):
    """No trial at all."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def metrics_file(by_hand, monkeypatch, tmp_path):  # noqa: ARG001 - first
    """A trial of ours, which reports into this file."""
    path = tmp_path / "push.jsonl"
    monkeypatch.setenv("KATIB_METRICS_FILE", str(path))
    monkeypatch.setenv("KATIB_TRIAL_NAME", "search-1")
    return path
