"""`finetune check`: data of any shape, however bad, through a trunk to findings."""

from __future__ import annotations

import dataclasses

from finetune.check import check
from finetune.dataset import Wanted, find
from finetune.doctor.examine import examine
from finetune.doctor.findings import Findings
from finetune.features import extract
from finetune.plan import suited
from finetune.reading import reading
from zoo.backbone import Precision
from zoo.errors import DatasetError
from zoo.progress import Progress
from zoo.trunk import Trunk


def checkup(data: str, wanted: Wanted, backbone: str, precision: Precision | None, progress: Progress) -> Findings:
    """Return all that is found in `data`; what training would refuse is a finding, too.

    Raises:
        DatasetError: there are no samples to look at.
        UnknownBackbone, RecipeError, WeightsError, TrunkError, MissingExtra: as `finetune.plan.plan`.
    """
    dataset = find(data, wanted, progress)
    chosen = suited(backbone, dataset)
    if not dataset.samples:
        check(dataset)  # raises, and says why
    blocked = ""
    try:
        check(dataset)
    except DatasetError as fault:
        blocked = str(fault)
    for note in dataset.notes:
        progress.say(note)
    trunk = reading(Trunk.of(chosen, precision or chosen.precision, progress), dataset.texts)
    features = extract(trunk, dataset, 1.0, progress)
    found = examine(dataset, features, progress)
    return dataclasses.replace(found, blocked=blocked)
