"""Start, watch and stop one trial."""
