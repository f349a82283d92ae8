"""Who runs which trial, and until when: the leases of trials that callers run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from katib.experiments.asking import reused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Lease", "Leases", "holder_of", "holders_of", "job_of", "known_again", "reports_of"]

_MOST_REPORTS: Final = 32
"""The last request ids of a trial that are known again; a client sends a call again soon or never."""
_MOST_HOLDERS: Final = 8


def job_of(client: str, before: Sequence[str] = ()) -> dict[str, Any]:
    """Return what is kept of a trial in place of a job: who runs it, and who ran it before."""
    return {"kind": "Worker", "client": client} | ({"before": list(before)} if before else {})


def holder_of(job: Mapping[str, Any] | None) -> str:
    """Return who runs the trial of a job, or ran it last; empty for nobody."""
    return str(job.get("client", "")) if job else ""


def holders_of(job: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return who has had the trial of a job, the last one last; of very many the last ones."""
    return (*job.get("before", ()), holder_of(job))[-_MOST_HOLDERS:] if job else ()


def reports_of(checkpoint: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the request ids that a trial's collector state has, each with a digest of what was said; empty where none was kept."""
    kept = (checkpoint or {}).get("reports", ())
    return dict(kept) if isinstance(kept, dict) else dict.fromkeys(kept, "")


def known_again(reports: Mapping[str, str], request_id: str, digest: str) -> bool:
    """Whether a report is among those that were heeded.

    Raises:
        Conflict: Something else was said with its request id.
    """
    known = reports.get(request_id) if request_id else None
    if known and known != digest:
        raise reused(request_id)
    return known is not None


@dataclass(slots=True)
class Lease:
    """One trial in a client's hands.

    Attributes:
        client: Whose it is.
        seconds: How long without a word from the client.
        expires: When that is over, by the monotonic clock.
        next_sequence: The number of the trial's next sample.
        reports: Request ids that were heeded, the newest last, each with a digest of what was said.
        before: Who had the trial before, and lost it.
    """

    client: str
    seconds: float
    expires: float
    next_sequence: int = 0
    reports: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()

    def renew(self, now: float, seconds: float | None = None) -> None:
        """Begin its time anew, perhaps another one."""
        self.seconds = self.seconds if seconds is None else seconds
        self.expires = now + self.seconds

    def heed(self, request_id: str, digest: str) -> None:
        """Note a report."""
        if request_id:
            self.reports = dict([*self.reports.items(), (request_id, digest)][-_MOST_REPORTS:])


class Leases:
    """The leases of one experiment, by trial."""

    def __init__(self) -> None:
        self._by_trial: dict[str, Lease] = {}
        self._by_client: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._by_trial)

    def __contains__(self, trial: object) -> bool:
        return trial in self._by_trial

    def get(self, trial: str) -> Lease | None:
        """Return the lease of a trial, if it has one."""
        return self._by_trial.get(trial)

    def grant(self, trial: str, lease: Lease) -> None:
        """Put a trial into a client's hands."""
        self._by_trial[trial] = lease
        self._by_client.setdefault(lease.client, {})[trial] = None

    def end(self, trial: str) -> None:
        """Take a trial out of its client's hands; one that is in nobody's is fine."""
        lease = self._by_trial.pop(trial, None)
        if lease is None:
            return
        held = self._by_client[lease.client]
        del held[trial]
        if not held:
            del self._by_client[lease.client]

    def of(self, client: str) -> list[str]:
        """Return the trials of a client, in the order in which it got them."""
        return list(self._by_client.get(client, ()))

    def expired(self, now: float) -> list[str]:
        """Return the trials whose clients have been silent for too long."""
        return [trial for trial, lease in self._by_trial.items() if lease.expires <= now]

    def first_end(self) -> float | None:
        """Return when the next lease ends if nobody renews it, by the monotonic clock."""
        return min((lease.expires for lease in self._by_trial.values()), default=None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_trial)
