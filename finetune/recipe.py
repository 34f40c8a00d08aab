"""What the user asked for: one frozen value, checked as far as it can be without looking at anything."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from finetune.dataset import Wanted
from zoo.backbone import Precision
from zoo.bundle import check_name
from zoo.errors import RecipeError

ENDINGS: Final = ("csv", "tsv", "tab", "txt", "jsonl", "ndjson", "json", "parquet", "pq", "xlsx", "xlsm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One wish to fine-tune.

    Raises:
        RecipeError: a number is out of its range, or the name is not allowed.
    """

    data: str  # a folder, a table, or "sample:digits"
    wanted: Wanted = field(default_factory=Wanted)  # what the user says of the data
    name: str = ""  # of the model; "": after the data
    models: Path = Path("models")
    backbone: str = ""  # "": the default for the kind of the data
    precision: Precision | None = None  # None: the backbone's own default
    seed: int = 0
    val: float = 0.2  # share of the samples
    test: float = 0.2  # share of the samples
    max_bad: float = 0.05  # share of the samples that may be unusable
    own_samples: bool = True  # the user's samples may stand in the bundle and in the report

    def __post_init__(self) -> None:
        for option in ("val", "test"):
            if not 0 < getattr(self, option) < 1:
                raise RecipeError(
                    f"--{option} is {getattr(self, option):g}; allowed is a share between 0 and 1, such as 0.2."
                )
        if self.val + self.test >= 1:
            raise RecipeError(
                f"--val {self.val:g} and --test {self.test:g} leave nothing to train on; "
                "together they must stay under 1. The default is 0.2 each."
            )
        if len(self.wanted.text) > 2 or len(set(self.wanted.text)) < len(self.wanted.text):
            raise RecipeError("--text is given once for texts, or twice with different columns for pairs of texts.")
        if not 0 <= self.max_bad <= 1:
            raise RecipeError(f"--max-bad is {self.max_bad:g}; allowed is a share from 0 to 1, such as 0.05.")
        if not 0 <= self.seed < 2**32:
            raise RecipeError(f"--seed is {self.seed}; allowed are whole numbers from 0 to 4294967295.")
        object.__setattr__(self, "name", check_name(self.name or name_after(self.data)))


def name_after(data: str) -> str:
    """Return a model name made from the last part of `data`: "My Photos/" -> "my-photos".

    Raises:
        RecipeError: nothing of it may stand in a name.
    """
    last = data.removeprefix("sample:") if data.startswith("sample:") else Path(data).resolve().name
    stem = re.sub(rf"\.({'|'.join(ENDINGS)})$", "", last, flags=re.IGNORECASE)
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9._]+", "-", plain).strip("-._")[:64]
    if not name:
        raise RecipeError(f"no model name can be made from {last!r}; choose one with --name.")
    return name
