"""``python -m katib.metrics.sidecar``."""

from __future__ import annotations

import sys

from katib.metrics.sidecar.ending import hold

if __name__ == "__main__":
    hold()
    from katib.metrics.sidecar.process import main

    sys.exit(main())
