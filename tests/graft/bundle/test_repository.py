"""The model repository: allowed names, which folders are versions, a bundle by its model or version folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.bundle.open_bundle import BundleLayout, resolve_bundle
from graft.bundle.repository import model_names, model_versions, validate_model_name
from graft.errors import RecipeError, UnknownModel, UnknownVersion
from tests.support.fakes import tiny_bundle


def test_bundle_is_found_by_model_or_version_folder(tmp_path: Path) -> None:
    models = tmp_path / "models"
    tiny_bundle(models)
    tiny_bundle(models, seed=1)
    assert resolve_bundle(models / "tiny").manifest.version == 2
    assert resolve_bundle(models / "tiny" / "1").manifest.version == 1
    with pytest.raises(UnknownVersion, match="has no version 7; it has 1, 2"):
        resolve_bundle(models / "tiny" / "7")
    with pytest.raises(UnknownModel, match="is not a published model"):
        resolve_bundle(tmp_path)


def test_unfinished_and_foreign_folders_are_no_versions(tmp_path: Path) -> None:
    models = tmp_path / "models"
    tiny_bundle(models)
    for odd in ("2", "03", "x", ".draft-y", "1.5"):
        (models / "tiny" / odd).mkdir()
    BundleLayout(models / "tiny" / "03").manifest.write_text("{}")
    assert model_versions(models, "tiny") == [1]


def test_stray_file_in_the_repository_hides_no_model(tmp_path: Path) -> None:
    models = tmp_path / "models"
    tiny_bundle(models)
    (models / "odd").write_text("no folder")
    assert model_names(models) == ["tiny"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "A", "ä", "-x", "x" * 65, "a\n", "a b"])
def test_invalid_model_name_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="--name"):
        validate_model_name(name)
