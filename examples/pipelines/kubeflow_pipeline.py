"""A Kubeflow pipeline: tune, then train with what was found.

    pip install kfp
    python examples/pipelines/kubeflow_pipeline.py pipeline.yaml
    kfp run create --experiment-name sweeps --package-file pipeline.yaml

The first step is a container of Katib's image that creates the experiment on the cluster, waits for it, and hands on its best parameters.
Any pipeline can use the component ``search`` as it is. The pods need the rights of ``argo/access.yaml``.
"""

import json
import sys
from pathlib import Path

import yaml
from kfp import compiler, dsl

IMAGE = "katib.test/katib:dev"
"""Where you keep the image that ``make images`` builds of deploy/images/katib."""

SWEEP = json.dumps(yaml.safe_load((Path(__file__).with_name("sweep") / "experiment.yaml").read_text()))
"""On one line: kfp writes defaults into a comment."""


@dsl.container_component
def search(  # noqa: ANN201, PLR0917 - inputs and outputs as kfp reads them
    experiment: str,
    run: str,
    best_parameters: dsl.OutputPath(dict),
    best_value: dsl.OutputPath(float),
    best_trial: dsl.OutputPath(str),
    backend: str = "kubernetes",
    timeout_seconds: float = 86400.0,
):
    """Run a Katib experiment to its end, and hand on its best parameters."""
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["python", "-m", "katib.client.pipeline_step"],
        args=[
            "--experiment",
            experiment,
            "--run",
            run,
            "--backend",
            backend,
            "--timeout",
            timeout_seconds,
            "--best-parameters",
            best_parameters,
            "--best-value",
            best_value,
            "--best-trial",
            best_trial,
        ],
    )


@dsl.component(base_image="python:3.12-slim")
def train(parameters: dict, steps: int = 200) -> float:
    """Train once more with the best parameters: here, a line through noisy points; returns what is left of the error."""
    import random

    rate, batch = parameters["lr"], int(parameters["batch"])
    points = random.Random(1)
    slope, error = 0.0, 0.0
    for _ in range(steps):
        error = 0.0
        for _ in range(batch):
            x = points.uniform(-1, 1)
            error += (slope * x - 2 * x - points.gauss(0, 0.1)) * x / batch
        slope -= rate * error
    print(f"slope={slope:.4f}")
    return abs(slope - 2.0)


@dsl.pipeline(name="tune-then-train")
def tune_then_train(experiment: str = SWEEP, steps: int = 200) -> float:
    """Search the best parameters, and train with them."""
    found = search(experiment=experiment, run=dsl.PIPELINE_JOB_ID_PLACEHOLDER)
    # What was found stays found: a run of the pipeline that begins again waits for the experiment it began before.
    found.set_caching_options(enable_caching=False).set_retry(num_retries=3)
    trained = train(parameters=found.outputs["best_parameters"], steps=steps)
    return trained.output


if __name__ == "__main__":
    compiler.Compiler().compile(tune_then_train, sys.argv[1] if len(sys.argv) > 1 else "pipeline.yaml")
