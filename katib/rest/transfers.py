"""The threads in which files move, as ``HttpServer`` makes them."""

from katib.rpc.transfers import Transfers

__all__ = ["Transfers"]
