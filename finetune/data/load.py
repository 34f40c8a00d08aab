from __future__ import annotations

from pathlib import Path

from finetune.data.dataset import DataOptions, Dataset
from graft.errors import DatasetError
from graft.progress import Progress, SilentProgress


def load_dataset(data: str | Dataset, options: DataOptions | None = None, progress: Progress | None = None) -> Dataset:
    """Find the samples of `data`: a folder of class folders, a table, an archive of these, or `sample:NAME`.

    Raises:
        DatasetError: they cannot be used for the task.
        MissingExtra: a package that is needed to read them is not installed.
        WeightsError: a sample data set could not be fetched.
    """
    from finetune.data.label_checks import check_trainable

    dataset = read_dataset(data, options, progress)
    check_trainable(dataset)
    return dataset


def read_dataset(data: str | Dataset, options: DataOptions | None = None, progress: Progress | None = None) -> Dataset:
    """Find the samples of `data` as `load` does; whether a model can be learnt of them alone is not asked.

    Raises:
        DatasetError: there are none, or they cannot be read.
        MissingExtra, WeightsError: as `load`.
    """
    from finetune.data import archive, builtin_datasets, folder, table

    options = options or DataOptions()
    if isinstance(data, Dataset):
        if options not in (DataOptions(), DataOptions(task=data.task)):
            raise DatasetError(f"{data.source} is a data set already. Say dataset_of(…, wanted=…) where it is made.")
        return data
    path = Path(data)
    if data.startswith("sample:"):
        return builtin_datasets.load_builtin_dataset(data, options, progress or SilentProgress())
    if path.is_dir():
        return folder.load_folder(path, options)
    if path.is_file() and archive.is_archive(path):
        return archive.load_archive(path, options, progress or SilentProgress())
    if path.is_file():
        return table.load_table(path, options)
    raise DatasetError(
        f"there is no folder or file {data!r}. Allowed are a folder of class folders, a table (CSV, TSV, JSON "
        f"Lines, Parquet, Excel or Orange's .tab), a zip or tar of these, {', '.join(builtin_datasets.BUILTIN_DATASETS[:-1])} and "
        f"{builtin_datasets.BUILTIN_DATASETS[-1]}."
    )
