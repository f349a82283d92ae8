"""One trial whose job is running, or has ended and is still being read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.metrics.collector import make_collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.local.home import Home
    from katib.metrics.collector import Batch
    from katib.runners.process import JobReport

__all__ = ["POLL_BYTES", "ActiveTrial"]

POLL_BYTES = 4 << 20
"""What is read of one trial's output before the others have their turn."""


class ActiveTrial:
    """The metrics side of a trial: where its collector is, and how far its numbering of samples has come.

    Args:
        record: What the ledger knows; replaced by the driver.
        experiment: Its experiment, with defaults.
        metrics: Which metrics to listen for.
        home: Where the trial's files lie.
        checkpoint: Where the collector of an earlier driver was; None for a trial that begins.
        next_sequence: The number of the next sample; those before it are stored.

    Attributes:
        is_behind: More was written than one turn reads.
        drained: Its job has ended, and all it wrote was read.
    """

    def __init__(
        self,
        record: TrialRecord,
        *,
        experiment: Experiment,
        metrics: tuple[str, ...],
        home: Home,
        checkpoint: Mapping[str, Any] | None,
        next_sequence: int,
    ) -> None:
        uid = experiment.metadata.uid or ""
        spec = experiment.spec.metrics_collector_spec
        if spec is None:
            message = "an experiment is driven with its defaults filled in"
            raise ValueError(message)
        self.record = record
        self.next_sequence = next_sequence
        self.report: JobReport | None = None
        self.drained = False
        self.is_behind = False
        self._collector = make_collector(
            spec,
            metrics,
            stdout=home.output(uid, record.name),
            root=home.files(uid, record.name),
            push=home.push_file(uid, record.name),
        )
        if checkpoint is not None:
            self._collector.restore(dict(checkpoint))

    @property
    def has_ended(self) -> bool:
        """Whether the job will write no more."""
        return self.report is not None

    def read(self) -> Iterator[Batch]:
        """Yield what the trial reported since the last call; after the job's end also an unfinished last line, once."""
        batch = self._collector.poll(POLL_BYTES)
        self.is_behind = batch.more
        yield batch
        if self.has_ended and not batch.more and not self.drained:
            yield from self._collector.drain()
            self.drained = True

    def evidence(self) -> list[str]:
        """What was seen instead of metrics, for a message to the user."""
        return self._collector.evidence()
