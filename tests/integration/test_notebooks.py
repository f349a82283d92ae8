"""The notebooks of the examples run from top to bottom, in a kernel of their own, and show what they are about."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))
EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
try:
    NotebookClient(notebook, timeout=120, kernel_name="tested").execute()
finally:
    nbformat.write(notebook, sys.argv[2])
"""


@pytest.fixture
def run(tmp_path):
    """Execute a notebook, and return its cells."""
    kernel = tmp_path / "jupyter" / "kernels" / "tested"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "tested", "language": "python"}))
    places = {
        name: str(tmp_path / name.lower()) for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")
    }
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("KATIB")},
        **places,
        "JUPYTER_PATH": str(tmp_path / "jupyter"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "KATIB_HOME": str(tmp_path / "home"),
        "PLOTLY_RENDERER": "plotly_mimetype",
        "OMP_NUM_THREADS": "1",
    }

    def execute(path):
        out = tmp_path / path.name
        done = subprocess.run(
            [sys.executable, "-c", EXECUTE, path, out],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-5_000:]
        return [cell for cell in json.loads(out.read_text())["cells"] if cell["cell_type"] == "code"]

    return execute


def shown(cell, kind):
    """What a cell shows of one media type."""
    found = [output["data"][kind] for output in cell["outputs"] if kind in output.get("data", {})]
    return ["".join(one) if isinstance(one, list) else one for one in found]


def said(cell):
    """What a cell printed; libraries may warn beside it (tqdm misses widgets)."""
    return "".join("".join(output["text"]) for output in cell["outputs"] if output.get("name") == "stdout")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_what_they_showed(path):
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_a_first_sweep(run):
    cells = run(NOTEBOOKS[[path.stem for path in NOTEBOOKS].index("first-sweep")])
    by_source = {re.sub(r"\W.*", "", "".join(cell["source"]).split(".", 1)[-1]): cell for cell in cells}
    waited = [cell for cell in cells if "wait_for_experiment_condition" in "".join(cell["source"])]
    for cell, trials in zip(waited, (12, 16), strict=True):
        progress, experiment = shown(cell, "text/html")
        text = re.sub(r"<[^>]*>", "", progress)
        assert f"{trials} of {trials} trials" in text
        assert "Best: loss = " in text
        assert "Search space" in experiment
        assert said(cell) == ""
    [table] = shown(by_source["trials_dataframe"], "text/html")
    assert "metrics.loss" in table
    assert "loss=" in said(next(cell for cell in cells if "client.logs" in "".join(cell["source"])))
    assert said(cells[-1]) == ""


def test_plots(run):
    cells = run(NOTEBOOKS[[path.stem for path in NOTEBOOKS].index("plots")])
    figures = {}
    for cell in cells:
        source = "".join(cell["source"])
        for figure in shown(cell, "application/vnd.plotly.v1+json"):
            figures[re.search(r"(?:katib\.viz|visualization)\.(\w+)\([^)]*\)\)?$", source).group(1)] = figure
    assert set(figures) == {
        "history",
        "parallel_coordinates",
        "slices",
        "contour",
        "importance",
        "learning_curves",
        "pareto",
        "timeline",
        "plot_edf",
    }
    assert all(figure["data"] for figure in figures.values())
    assert len(figures["learning_curves"]["data"]) == 24
    assert figures["contour"]["data"][0]["type"] == "contour"


def test_ask_and_tell(run):
    cells = run(NOTEBOOKS[[path.stem for path in NOTEBOOKS].index("ask-and-tell")])
    *_, asked, experiment, plot, end = cells
    assert "max trial count" in shown(asked, "text/plain")[0]
    text = re.sub(r"<[^>]*>", "", shown(experiment, "text/html")[0])
    assert "oven Succeeded 15 of 15 trials" in text
    assert shown(plot, "application/vnd.plotly.v1+json")[0]["data"]
    assert shown(end, "text/plain") == ["0"]


def test_every_notebook_has_a_test():
    source = Path(__file__).read_text()
    assert [path.stem for path in NOTEBOOKS if f'index("{path.stem}")' not in source] == []
