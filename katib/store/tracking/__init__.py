"""Tracking: what every run of a namespace was, did and left, in the terms of ModelDB (``protocol`` and ``records``)."""
