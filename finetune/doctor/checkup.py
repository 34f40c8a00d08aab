"""`finetune check`: data of any shape, however bad, through a trunk to findings."""

from __future__ import annotations

import dataclasses

from finetune.check import check_trainable
from finetune.dataset import DataOptions, read_dataset
from finetune.doctor.examine import examine
from finetune.doctor.findings import Findings
from finetune.features import extract_features
from finetune.plan import resolve_backbone
from finetune.reading import with_text_pairs
from zoo.backbone import Precision
from zoo.errors import DatasetError
from zoo.progress import Progress
from zoo.trunk import Trunk


def load_and_examine(
    data: str, options: DataOptions, backbone: str, precision: Precision | None, progress: Progress
) -> Findings:
    """Return all that is found in `data`; what training would refuse is a finding, too.

    Raises:
        DatasetError: there are no samples to look at.
        UnknownBackbone, RecipeError, WeightsError, TrunkError, MissingExtra: as `finetune.plan.plan`.
    """
    dataset = read_dataset(data, options, progress)
    chosen_backbone = resolve_backbone(backbone, dataset)
    if not dataset.samples:
        check_trainable(dataset)  # raises, and says why
    training_error = ""
    try:
        check_trainable(dataset)
    except DatasetError as fault:
        training_error = str(fault)
    for note in dataset.notes:
        progress.log(note)
    trunk = with_text_pairs(
        Trunk.from_backbone(chosen_backbone, precision or chosen_backbone.precision, progress), dataset.texts_per_sample
    )
    features = extract_features(trunk, dataset, 1.0, progress)
    findings = examine(dataset, features, progress)
    return dataclasses.replace(findings, training_error=training_error)
