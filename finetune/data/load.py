"""Load a dataset from whatever the user names: a folder, a table, an archive, `sample:NAME`, or data in memory."""

from __future__ import annotations

from pathlib import Path

from finetune.data.archive import is_archive, load_archive
from finetune.data.builtin_datasets import BUILTIN_DATASETS, load_builtin_dataset
from finetune.data.dataset import DataOptions, Dataset
from finetune.data.folder import load_folder
from finetune.data.label_checks import check_trainable
from finetune.data.table import load_table
from graft.errors import DatasetError
from graft.progress import Progress, SilentProgress


def load_dataset(data: str | Dataset, options: DataOptions | None = None, progress: Progress | None = None) -> Dataset:
    """Return the dataset at `data`, checked: a folder of class folders, a table, an archive of these, or `sample:NAME`.

    Raises:
        DatasetError: there is none, it cannot be read, or no model can be trained on it.
        MissingExtra: a package that is needed to read it is not installed.
        WeightsError: a built-in dataset could not be fetched.
    """
    dataset = read_dataset(data, options, progress)
    check_trainable(dataset)
    return dataset


def read_dataset(data: str | Dataset, options: DataOptions | None = None, progress: Progress | None = None) -> Dataset:
    """Return the dataset at `data` like `load_dataset`, without checking that a model can be trained on it.

    Raises:
        DatasetError: there is none, or it cannot be read.
        MissingExtra, WeightsError: as `load_dataset`.
    """
    options, progress = options or DataOptions(), progress or SilentProgress()
    if isinstance(data, Dataset):
        if options not in (DataOptions(), DataOptions(task=data.task)):
            raise DatasetError(
                f"{data.source} is in memory: pass options to dataset_from_memory(…, options=DataOptions(…)) instead."
            )
        return data
    path = Path(data)
    if data.startswith("sample:"):
        return load_builtin_dataset(data, options, progress)
    if path.is_dir():
        return load_folder(path, options)
    if path.is_file() and is_archive(path):
        return load_archive(path, options, progress)
    if path.is_file():
        return load_table(path, options)
    raise DatasetError(
        f"there is no folder or file {data!r}. Allowed are a folder of class folders, a table (CSV, TSV, JSON Lines, "
        "Parquet, Excel or Orange's .tab), a zip or tar of these, "
        f"{', '.join(BUILTIN_DATASETS[:-1])} and {BUILTIN_DATASETS[-1]}."
    )
