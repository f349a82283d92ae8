"""One way in: every experiment, from a file, a client or a cluster, is read, defaulted and checked here, with all problems at once."""

from __future__ import annotations

from katib.admission.admit import admit, admit_all

__all__ = ["admit", "admit_all"]
