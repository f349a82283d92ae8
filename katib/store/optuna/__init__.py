"""Optuna on our store: a study is an experiment and its trials are runs, so whatever reads runs reads studies too.

``katib.store.optuna.KatibStorage`` is an ``optuna.storages.BaseStorage``. It goes through ``Tracking`` alone and speaks no SQL.

Example::

    study = optuna.create_study(study_name="digits", storage=KatibStorage("katib.db"), load_if_exists=True)
    study.optimize(objective, n_trials=100)
"""

from __future__ import annotations

from katib.store.optuna.storage import KatibStorage

__all__ = ["KatibStorage"]
