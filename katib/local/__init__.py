"""The local driver: one experiment on this machine, from the store and child processes.

``home`` says where things lie, ``submit`` puts experiments in and takes them out, ``driver`` runs one to its end,
``progress`` is what it tells while it does.
"""
