"""Experiments as whoever uses them sees them, wherever they run; the back ends are in ``local``, ``rpc`` and ``operator``."""
