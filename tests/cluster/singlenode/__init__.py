"""A real Kubernetes on this machine: built from its Go module, nothing faked, nothing needed but the standard library.

``layout`` says where everything is, ``programs`` builds the binaries, ``parts`` says how each component is called, ``processes`` finds,
starts and ends them, and ``lifecycle`` puts these together. Nothing here knows Katib, except ``images``.
"""
