"""Start, watch and stop one trial: ``process`` on this machine."""
