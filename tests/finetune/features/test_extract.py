"""Feature extraction: from the trunk or the cache, unusable and misnamed samples."""

import os
from pathlib import Path

import numpy as np
import pytest

from finetune.data.load import load_dataset
from finetune.features.extract import Features, extract_features
from graft.errors import DatasetError
from graft.progress import SilentProgress
from tests.support.class_folders import fill, noisy
from tests.support.fakes import WIDTH, picture
from zoo import Precision, get_backbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE
from zoo.trunks.trunk import Trunk


def extract(data: Path, max_bad: float = 0.05) -> Features:
    backbone = get_backbone(DEFAULT_IMAGE_BACKBONE)
    trunk = Trunk.from_backbone(backbone, Precision.FP32)
    return extract_features(trunk, load_dataset(str(data)), max_bad, SilentProgress())


def test_extracted_features_equal_the_trunks_output(photos: Path) -> None:
    features = extract(photos)
    backbone = get_backbone(DEFAULT_IMAGE_BACKBONE)
    trunk = Trunk.from_backbone(backbone, Precision.FP32)
    assert features.x.shape == (24, WIDTH)
    assert features.x.dtype == np.float32
    for sample, x in zip(features.samples, features.x, strict=True):
        assert np.array_equal(trunk(trunk.inputs.batch([trunk.inputs(sample.read())]))[0], x)


def test_extract_uses_the_feature_cache_for_known_samples(photos: Path) -> None:
    first = extract(photos)
    second = extract(photos)
    assert (first.extracted_count, second.extracted_count) == (24, 0)
    assert np.array_equal(first.x, second.x)
    (photos / "red" / "new.png").write_bytes(noisy((200, 40, 40), 77))
    (photos / "red" / "00.png").rename(photos / "red" / "renamed.png")
    assert extract(photos).extracted_count == 1


def test_extract_again_after_a_file_changed(photos: Path) -> None:
    extract(photos)
    path = photos / "red" / "00.png"
    facts = path.stat()
    path.write_bytes(noisy((200, 40, 40), 78))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert extract(photos).extracted_count == 1


def truncated(path: Path) -> None:
    data = noisy((200, 40, 40), 5, "JPEG")
    path.write_bytes(data[: len(data) // 2])


def heic(path: Path) -> None:
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))


def text(path: Path) -> None:
    path.write_text("not a picture")


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def dangling(path: Path) -> None:
    path.symlink_to("nowhere.jpg")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bomb(path: Path) -> None:
    data = bytearray(picture(format="BMP"))
    data[18:26] = (100_000).to_bytes(4, "little") * 2
    path.write_bytes(data)


def svg(path: Path) -> None:
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (truncated, "truncated"),
        (heic, "HEIC"),
        (text, "text"),
        (nothing, "empty file"),
        (dangling, "cannot be read"),
        (pipe, "not a regular file"),
        (bomb, "pixels"),
        (svg, "SVG"),
    ],
)
def test_unusable_file_is_named_and_skipped(photos: Path, make, reason: str) -> None:
    make(photos / "red" / "bad.jpg")
    features = extract(photos)
    assert [bad.ref for bad in features.skipped_samples] == ["red/bad.jpg"]
    assert reason in features.skipped_samples[0].reason
    assert len(features.samples) == 24


def test_too_many_unusable_files_stop_the_run(photos: Path) -> None:
    for number in range(2):
        nothing(photos / "red" / f"bad{number}.jpg")
    with pytest.raises(DatasetError) as error:
        extract(photos)
    for word in ("2 of the 26", "red/bad0.jpg", "red/bad1.jpg", "--max-bad", "Nothing was trained"):
        assert word in str(error.value)
    assert len(extract(photos, max_bad=0.1).skipped_samples) == 2


def test_table_row_without_its_file_is_skipped(photos: Path) -> None:
    rows = [f"red/{n:02}.png,red\ngreen/{n:02}.png,green" for n in range(8)]
    (photos / "t.csv").write_text("\n".join(["path,label", *rows, "gone.png,red", "nul\0.png,red"]))
    features = extract(photos / "t.csv", max_bad=0.5)
    assert sorted(bad.ref for bad in features.skipped_samples) == ["gone.png", "nul\0.png"]


def test_misnamed_image_file_is_read_and_reported(photos: Path) -> None:
    (photos / "red" / "liar.jpg").write_bytes(picture("red", format="PNG"))
    (photos / "red" / "fine.jpeg").write_bytes(picture("red", format="JPEG"))
    features = extract(photos)
    assert features.misnamed_files == ("red/liar.jpg",)
    assert len(features.samples) == 26
    assert extract(photos).misnamed_files == features.misnamed_files  # from the cache too


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_every_image_format_is_extracted(tmp_path: Path, format: str) -> None:
    features = extract(fill(tmp_path / "data", each=3, format=format))
    assert (len(features.samples), features.skipped_samples, features.misnamed_files) == (9, (), ())
