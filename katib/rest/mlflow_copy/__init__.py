"""Copies runs between a store and an MLflow server, over the REST API that every MLflow server has.

``import_runs`` brings runs here under the ids they have there, ``export_runs`` takes ours there. Both can be broken off at any point and
called again: what is there already is found by its id and left alone, and a run that cannot be copied is told and keeps nobody waiting.

Words are translated as by our own server (``katib.rest.mlflow.messages``), so that a run reads the same whichever way it came.
"""

from __future__ import annotations

from katib.rest.mlflow_copy.copied import Copied, Failure
from katib.rest.mlflow_copy.exporting import export_runs
from katib.rest.mlflow_copy.importing import import_runs
from katib.rest.mlflow_copy.server import MlflowServer

__all__ = ["Copied", "Failure", "MlflowServer", "export_runs", "import_runs"]
