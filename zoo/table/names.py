"""The names that people give to columns of texts, of paths to pictures, of labels and of parts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from zoo.folders import IMAGE_SUFFIXES

PATH_COLUMNS: Final = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "picture",
)  # fmt: skip
TEXT_COLUMNS: Final = (
    "text", "texts", "sentence", "review", "content", "body", "message", "comment", "tweet", "document", "description",
    "utterance", "question", "query", "abstract", "title", "headline", "review_text", "full_text",
)  # fmt: skip
TEXT_PAIR_COLUMNS: Final = (
    ("text_a", "text_b"), ("text1", "text2"), ("sentence1", "sentence2"), ("sentence_a", "sentence_b"),
    ("question1", "question2"), ("premise", "hypothesis"), ("query", "passage"),
)  # fmt: skip
LABEL_COLUMNS: Final = (
    "label", "labels", "class", "category", "categories", "target", "class_name", "label_name", "species", "y", "tags",
    "tag", "topic", "topics", "sentiment", "stars", "rating", "score", "intent", "genre", "genres", "emotion", "price",
    "value",
)  # fmt: skip
SPLIT_COLUMNS: Final = ("split", "subset", "part", "partition", "set")


def is_known_column(name: str) -> bool:
    """Say whether `name` is one that people give to a column we look for."""
    return name.lower() in {
        *PATH_COLUMNS,
        *TEXT_COLUMNS,
        *LABEL_COLUMNS,
        *SPLIT_COLUMNS,
        *(one for pair in TEXT_PAIR_COLUMNS for one in pair),
    }


def is_image_path(cell: str) -> bool:
    """Say whether `cell` names a picture."""
    return len(cell) < 4096 and Path(cell).suffix.lower() in IMAGE_SUFFIXES
