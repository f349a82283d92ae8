"""Names of files in a trial's folder that others read too; apart, so that reading them needs no runner."""

from __future__ import annotations

from typing import Final

__all__ = ["OUTPUT_NAME"]

OUTPUT_NAME: Final = "output.log"
"""What the trial printed, both streams in the order in which they came."""
