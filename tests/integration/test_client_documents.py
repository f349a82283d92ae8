"""The Python of these documents runs as it stands."""

import re
from pathlib import Path

import pytest

DOCUMENTS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["define-by-code.md", "scikit-learn.md"])
def test_code_of_the_document_runs(name, monkeypatch, capsys):
    for variable in ("KATIB_METRICS_FILE", "KATIB_TRIAL_NAME"):
        monkeypatch.delenv(variable, raising=False)
    blocks = re.findall(r"```python\n(.*?)```", (DOCUMENTS / name).read_text(), re.DOTALL)
    assert blocks
    names = {}
    for block in blocks:
        exec(compile(block, name, "exec"), names)  # noqa: S102 - our own
    assert capsys.readouterr().out


def test_example_of_a_search(capsys):
    import runpy

    runpy.run_path(str(DOCUMENTS.parent / "examples" / "scikit-learn" / "search.py"))
    assert "on data it has not seen: 0.9" in capsys.readouterr().out
