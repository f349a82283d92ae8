"""An algorithm and an early stopper for katib; it finds them by the entry points of this package."""
