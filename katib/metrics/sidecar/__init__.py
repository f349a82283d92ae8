"""The sidecar: collects one trial's metrics in its pod, live, and brings them to the store, each exactly once.

It is started with every trial, so it must be small and quick: standard library only, but for RE2, and nothing of ``katib.api``. It can
be killed at any moment and started again (``spool``); the store may be away (``delivery``); the trainer may be anything (``exchange``).
"""
