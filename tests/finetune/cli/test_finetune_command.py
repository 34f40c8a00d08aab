"""The command `finetune` on images: bundles, errors, interruptions, a full disk."""

import contextlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graft.bundle.open_bundle import open_bundle
from graft.bundle.repository import model_versions
from tests.support.class_folders import fill
from tests.support.commands import RunCommand
from tests.support.fakes import picture

FINETUNE = [sys.executable, "-m", "finetune.cli.main"]
RATHER_NOT = ("tensorflow", "keras", "torch", "sklearn")


def test_finetune_needs_only_a_folder(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    result = finetune(photos)
    assert result.code == 0
    assert (tmp_path / "models" / "photos" / "1" / "report.html").is_file()
    for word in (
        "photos version 1",
        "accuracy 100.0% on 6 test samples",
        "serve --models models",
        "predict photos FILE",
    ):
        assert word in result.out
    assert "your images" in result.out
    assert "24 extracted" in result.err


def test_finetune_json_is_one_object_and_progress_goes_to_stderr(
    finetune: RunCommand, photos: Path, tmp_path: Path
) -> None:
    (photos / "red" / "bad.png").write_bytes(b"")
    result = finetune(photos, "--json", "--name", "n", "--models", tmp_path / "m", "--no-samples")
    facts = json.loads(result.out)
    assert (facts["model"], facts["version"], facts["path"]) == ("n", 1, str(tmp_path / "m" / "n" / "1"))
    assert facts["skipped"][0]["file"] == "red/bad.png"
    assert {"accuracy", "macro_f1", "ece", "balanced_accuracy", "per_class", "confusion"} <= facts["metrics"].keys()
    assert "red/bad.png" in result.err
    assert open_bundle(Path(facts["path"])).manifest.samples == "zoo"


def test_finetune_again_is_the_next_version_from_cached_features(finetune: RunCommand, photos: Path) -> None:
    first, second = (json.loads(finetune(photos, "--json").out) for _ in range(2))
    assert (first["version"], second["version"]) == (1, 2)
    assert (first["features"]["extracted"], second["features"]["extracted"]) == (24, 0)
    assert first["metrics"] == second["metrics"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--backbone", "efficientnet_lite9"], ["efficientnet_lite0", "zoo list"]),
        (["--name", "Upper Case"], ["--name"]),
        (["--val", "2"], ["--val"]),
        (["--models", "photos/red/00.png"], ["--models", "Nothing was done"]),
        (["--models", "photos/red/00.png/deeper"], ["--models"]),
        (["--models", "/proc/nothing/here"], ["--models"]),
    ],
)
def test_finetune_refuses_impossible_options_before_any_work(
    finetune: RunCommand, photos: Path, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    result = finetune(photos, *options)
    assert result.code == 1
    assert result.out == ""
    assert result.err.startswith("error: ")
    for word in words:
        assert word in result.err
    assert not (tmp_path / "cache" / "features").exists()
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["a", "b"], ["a", "--precision", "fp8"], ["a", "--seed", "x"], ["a", "--wat"]]
)
def test_finetune_wrong_usage_exits_2(finetune: RunCommand, arguments: list[str]) -> None:
    result = finetune(*arguments)
    assert result.code == 2
    assert "--help" in result.err


def test_finetune_bad_data_is_one_clear_error(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    shutil.rmtree(photos / "red")
    shutil.rmtree(photos / "blue")
    result = finetune(photos)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: ")
    assert "only one class, 'green'" in result.err
    assert not (tmp_path / "models").exists()


def test_finetune_help_shows_examples_and_imports_nothing_heavy() -> None:
    script = f"""
import sys
from finetune.cli.main import main
sys.argv = ["finetune", "--help"]
try:
    main()
finally:
    print([name for name in {(*RATHER_NOT, "numpy", "onnxruntime")} if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "finetune photos/" in out
    assert out.endswith("[]\n")


def test_probe_never_imports_tensorflow(photos: Path, tmp_path: Path) -> None:
    script = f"""
import sys
from finetune.cli.main import main
sys.argv = ["finetune", {str(photos)!r}, "--models", {str(tmp_path / "models")!r}, "--json"]
main()
print([name for name in ("tensorflow", "keras", "torch", "matplotlib") if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


def cached(tmp_path: Path) -> int:
    files = list((tmp_path / "cache" / "features").glob("*.sqlite"))
    if not files:
        return 0
    database = sqlite3.connect(files[0])
    try:
        return database.execute("SELECT count(*) FROM features").fetchone()[0]
    except sqlite3.OperationalError:  # it is being made
        return 0
    finally:
        database.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_run_keeps_features_and_leaves_no_half_bundle(photos: Path, tmp_path: Path, how) -> None:
    fill(photos, each=60)
    os.mkfifo(tmp_path / "stuck")  # a sample that never comes, so that the run surely is in the middle
    rows = [f"{path},{path.parent.name}" for path in sorted(photos.glob("*/*"))]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *rows]))
    script = f"""
import sys
from finetune.cli.main import main
from finetune.data.dataset import LabeledSample
from finetune.features import feature_cache
feature_cache.FLUSH_INTERVAL = 0.0  # seconds: finished features are on disk at once
read, left = LabeledSample.read, iter(range(100))
def slow(sample):
    if next(left, None) is None:
        open({str(tmp_path / "stuck")!r}).close()
    return read(sample)
LabeledSample.read = slow
sys.argv = ["finetune", {str(tmp_path / "t.csv")!r}, "--models", {str(tmp_path / "models")!r}]
main()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs the tests may ignore it
    )
    for _ in range(300):
        if cached(tmp_path) >= 50:
            break
        time.sleep(0.1)
    child.send_signal(how)
    if how == signal.SIGINT:  # let the stuck readers go: a real disk answers at last
        for _ in range(300):
            with contextlib.suppress(OSError):
                os.close(os.open(tmp_path / "stuck", os.O_WRONLY | os.O_NONBLOCK))
            if child.poll() is not None:
                break
            time.sleep(0.1)
    result = child.communicate(timeout=60)[1]
    assert child.returncode == (130 if how == signal.SIGINT else -9), result
    assert "Traceback" not in result
    assert cached(tmp_path) >= 50
    assert not (tmp_path / "models").exists()


def test_full_disk_leaves_earlier_versions_intact(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    """The limit on a file's size stands in for a full disk: writing fails half way in the same place."""
    assert finetune(photos).code == 0
    run = subprocess.run(
        [*FINETUNE, photos, "--models", tmp_path / "models"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"GRAFT_CACHE": str(tmp_path / "cache")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert run.returncode == 1, run.stderr
    assert "Traceback" not in run.stderr
    assert "earlier versions are untouched" in run.stderr
    assert model_versions(tmp_path / "models", "photos") == [1]
    open_bundle(tmp_path / "models" / "photos" / "1")
    assert [p.name for p in (tmp_path / "models" / "photos").iterdir()] == ["1"]


def test_full_disk_for_the_feature_cache_does_not_stop_the_run(photos: Path, tmp_path: Path) -> None:
    """A small tmpfs that really is full, where this machine lets us mount one."""
    cache = tmp_path / "cache"
    mount = (
        f"mkdir -p {cache}/features && mount -t tmpfs -o size=16k none {cache}/features && "
        f"head -c 8192 /dev/zero > {cache}/features/other && "
        f"exec {' '.join(FINETUNE)} {photos} --models {tmp_path / 'models'}"
    )
    if subprocess.run(["unshare", "-Urm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    run = subprocess.run(["unshare", "-Urm", "sh", "-c", mount], capture_output=True, text=True, check=False)
    if "mount" in run.stderr and run.returncode == 32:
        pytest.skip("no tmpfs may be mounted here")
    assert run.returncode == 0, run.stderr
    assert "continuing without it" in run.stderr
    assert model_versions(tmp_path / "models", "photos") == [1]


def test_odd_file_and_class_names_are_escaped(finetune: RunCommand, photos: Path) -> None:
    (photos / "red").rename(photos / "<b>[red]\n$(x)")
    (photos / "green" / "[bold] 'q' \".png").write_bytes(picture("green"))
    (photos / "green" / "\udcff[bold].png").write_bytes(b"")
    result = finetune(photos, "--json")
    assert result.code == 0
    facts = json.loads(result.out)
    assert "<b>[red]\n$(x)" in facts["labels"]
    assert "[bold].png" in result.err
