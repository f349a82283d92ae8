"""What a store does for Katib's DB manager, whose callers know a trial by its name alone.

A report names a trial. One that an experiment here has is that trial, so that what was reported is in its series and summaries; one
that none has is kept under its name until an experiment has it. Of several experiments (in other namespaces) that have a trial of
the name, the most recent one's is meant, unless the report says which namespace.

A report that comes again changes nothing, though Katib's rows carry no number: of rows that are equal (metric, time, text), a report
with *n* of them makes sure that there are *n*. That is right for Katib's collectors, which report once and everything: equal rows
within that report are all kept, and the same report again has no more of them. It is right for the SDK's ``report_metrics``, which
sends a report for each call with times of whole seconds: two calls within one second that report the same value of the same metric
cannot be told from one call that was repeated, and one row says the same about minimum, maximum and latest value as two.

Our own collector numbers its samples. Those of a source are stored once by their numbers, whatever they say, and only of a trial that an
experiment has: the receipt tells where to go on, or that it is too early. A trial has a source for each of its pods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from katib.store.protocol import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from katib.store.protocol import Reported

__all__ = ["Logged", "LoggingStore", "ObservationLogs", "Receipt", "Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody reports about a trial.

    Attributes:
        trial: Its name.
        samples: In the order of reporting.
        namespace: Where the trial is; None where the report does not say.
        source: Who numbers the samples, such as a pod of the trial; empty where nobody does.
        first_sequence: The number of the first of them, from 0 on.
    """

    trial: str
    samples: Sequence[Reported]
    namespace: str | None = None
    source: str = ""
    first_sequence: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a report.

    Attributes:
        stored: How many of its rows were new.
        repeated: How many were there before.
        chosen_of: The namespaces that have a trial of the name, that of the chosen one first; empty where there was no choice.
        following: The number of the source's next sample; None where nobody numbers, or no experiment has the trial yet.
    """

    stored: int
    repeated: int
    chosen_of: tuple[str, ...] = ()
    following: int | None = None


class Logged(NamedTuple):
    """One row of a log.

    Attributes:
        metric: Its name.
        text: The value as it was reported.
        time: When, in UTC; None if the report did not say.
    """

    metric: str
    text: str
    time: datetime | None


class ObservationLogs(Protocol):
    """Logs of trials by name; the rules of ``katib.store.protocol`` hold, and a trial that nobody knows is none of the faults."""

    def report(self, reports: Sequence[Report]) -> list[Receipt]:
        """Store reports, all in one change, and say what became of each."""

    def log(
        self,
        trial: str,
        metric: str | None = None,
        *,
        namespace: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int | None = None,
    ) -> list[Logged]:
        """Return what was reported of a trial by time, of equal times in the order of arrival; those without a time come first.

        Args:
            metric: Only this one.
            namespace: Where the trial is.
            start: Nothing earlier; a row without a time has the least one there is.
            end: Nothing later.
            limit: Only so many rows, not necessarily the first.
        """

    def delete_log(self, trial: str, *, namespace: str | None = None) -> None:
        """Forget what was reported of a trial; where its collector stands stays known."""

    def check(self) -> None:
        """Do nothing, if the database can be asked.

        Raises:
            StoreUnavailable: It cannot.
        """


class LoggingStore(Store, ObservationLogs, Protocol):
    """A store that does both."""
