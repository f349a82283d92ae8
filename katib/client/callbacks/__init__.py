"""Callbacks for training libraries: each reports metrics as training goes on, and ends it when its trial is to end.

One module for each library, imported by the name of the library: ``from katib.client.callbacks.xgboost import KatibCallback``.
"""
