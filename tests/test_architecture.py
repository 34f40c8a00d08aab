"""The law of imports: which package may be imported where, and what stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("zoo", "finetune", "service")

KERAS = {"zoo/build/", "finetune/deep/"}
MAY_IMPORT = {
    "tensorflow": KERAS,
    "keras": KERAS,
    "keras_cv": KERAS,
    "keras_hub": KERAS,
    "tf2onnx": KERAS,
    "onnx": {"zoo/build/", "zoo/convert/int8_image.py", "zoo/export/", "finetune/heads/"},
    "onnxruntime": {"zoo/trunks/trunk.py", "zoo/convert/int8_image.py", "service/models/engine.py"},
    "PIL": {
        "graft/inputs/image.py",
        "zoo/bench/chart.py",
        "finetune/report/",
        "finetune/data/builtin_datasets.py",
        "service/client/pack_samples.py",
    },
    "tokenizers": {"graft/inputs/text.py", "zoo/build/"},
    "sklearn": {"finetune/"},
    "scipy": {"finetune/heads/"},
    "optuna": {"finetune/head/tune.py"},
    "mlxtend": {"finetune/data/builtin_datasets.py"},
    "pyarrow": {"zoo/table/"},
    "openpyxl": {"zoo/table/"},
    "fastapi": {"service/"},
    "starlette": {"service/"},
    "uvicorn": {"service/"},
    "prometheus_client": {"service/"},
    "pydantic": {"service/"},
    "pydantic_settings": {"service/"},
    "simdjson": {"service/oip/"},
    "httpx2": {"service/client/client.py", "service/retry.py", "zoo/weights/download.py"},
    "finetune": {"finetune/"},
    "service": {"service/"},
}
NOWHERE = {"pickle", "joblib", "torch", "h5py", "dill", "cloudpickle"}
UNPICKLES = {"zoo/convert/networks/pytorch_checkpoint.py"}  # a restricted unpickler that admits three names


@cache
def sources() -> tuple[Path, ...]:
    return tuple(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


@cache
def imported_packages(path: Path) -> frozenset[str]:
    """Top-level packages that a file imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            found |= {arg.value.split(".")[0] for arg in node.args if isinstance(arg, ast.Constant)}
    return frozenset(found)


def importers(package: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in sources() if package in imported_packages(path)}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_are_imported_only_where_allowed(package: str) -> None:
    astray = {file for file in importers(package) if not file.startswith(tuple(MAY_IMPORT[package]))}
    assert not astray, f"{package} may be imported in {sorted(MAY_IMPORT[package])} only"


def test_no_module_imports_pickle_or_other_code_runners() -> None:
    astray = {file for package in NOWHERE for file in importers(package)} - UNPICKLES
    assert not astray


def test_client_imports_no_server_package() -> None:
    for package in ("fastapi", "starlette", "uvicorn", "pydantic", "onnxruntime"):
        assert "service/client/client.py" not in importers(package)


def test_errors_module_imports_only_the_standard_library() -> None:
    assert imported_packages(ROOT / "graft/errors.py") == {"__future__"}


HEAVY = {"tensorflow", "keras", "keras_cv", "keras_hub", "torch", "sklearn", "tf2onnx"}
LIGHT = {
    "zoo list": (
        "from click.testing import CliRunner; from zoo.cli.main import cli; r = CliRunner().invoke(cli, ['list'])",
        {"numpy", "onnxruntime"},
    ),
    "zoo list --fast": (
        "from click.testing import CliRunner; from zoo.cli.main import cli; r = CliRunner().invoke(cli, ['list', '--fast'])",
        {"numpy", "onnxruntime", "PIL"},
    ),
    "finetune --help": (
        "from click.testing import CliRunner; from finetune.cli.main import cli; r = CliRunner().invoke(cli, ['--help'])",
        {"numpy", "onnxruntime"},
    ),
    "the client": ("import service.client.client", {"fastapi", "onnxruntime", "pydantic"}),
    "the app": ("import service.server.app", {"onnx"}),
}


@pytest.mark.parametrize("what", LIGHT)
def test_cold_imports_stay_light(what: str) -> None:
    script, also = LIGHT[what]
    check = f"import sys; {script}; assert 'r' not in globals() or r.exit_code == 0, r.output; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert not {name.split(".")[0] for name in ran.stdout.split()} & (HEAVY | also)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_real(package: str) -> None:
    module = __import__(package)
    public = getattr(module, "__all__", [])
    assert list(public) == sorted(public)
    assert all(hasattr(module, name) for name in public)
