"""``katib up``: the experiments of a workstation or a small team behind one server."""
