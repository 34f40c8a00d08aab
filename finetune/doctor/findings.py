"""What the doctor found, as plain values. Samples are rows of `Findings.samples`."""

from __future__ import annotations

from dataclasses import dataclass

from finetune.dataset import Bad, Kind, Sample
from finetune.tasks import Task


@dataclass(frozen=True, slots=True)
class Group:
    """Samples that are copies of each other, or nearly."""

    rows: tuple[int, ...]  # ascending
    similarity: float = 1.0  # the least cosine of a member to the one that is most like it


@dataclass(frozen=True, slots=True)
class Twins:
    """Two classes that the features cannot tell apart."""

    labels: tuple[str, str]
    auc: float  # how often a sample of the first looks more like the first than one of the second does; 0.5 is chance
    confused: int  # samples of either that were taken for the other
    of: int


@dataclass(frozen=True, slots=True)
class Balance:
    """How many samples each class or tag has, the most first."""

    counts: tuple[tuple[str, int], ...]

    @property
    def ratio(self) -> float:
        """The largest over the smallest."""
        return self.counts[0][1] / self.counts[-1][1]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A sample whose label is likely wrong."""

    row: int
    label: str
    suggested: str
    given: float  # probability of the label it has; of a number, its residual
    other: float  # probability of the suggested one; of a number, 0
    score: float  # the lower the likelier wrong


@dataclass(frozen=True, slots=True)
class Suspects:
    """The likeliest label errors."""

    found: tuple[Suspect, ...]  # the likeliest first
    order: tuple[int, ...]  # all rows that were looked at, the likeliest wrong first
    estimated: int | None  # label errors that the data hold, by the confident joint; None where that says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was found in the data."""

    source: str
    kind: Kind
    texts: int
    task: Task
    target: str
    samples: tuple[Sample, ...]  # that could be read
    bad: tuple[Bad, ...]
    misnamed: tuple[str, ...]  # refs
    blocked: str = ""  # why nothing can be trained on the data as they are
    duplicates: tuple[Group, ...] = ()  # exact copies that agree
    contradictions: tuple[Group, ...] = ()  # exact copies that do not
    near: tuple[Group, ...] = ()  # near duplicates, exact copies of them too
    leaks: tuple[Group, ...] = ()  # groups of either kind that lie in more than one part
    alike: tuple[tuple[str, str], ...] = ()  # names of classes or tags
    twins: tuple[Twins, ...] = ()
    balance: Balance | None = None
    suspects: Suspects | None = None
    omitted: tuple[str, ...] = ()  # what was not looked at, and why
    seconds: float = 0.0  # how long it took, once the features were there
