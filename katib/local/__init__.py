"""The local driver: the engine's loop over the store and child processes on this machine."""
