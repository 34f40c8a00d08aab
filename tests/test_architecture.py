"""The law of the house: who may import whom, what stays light, no circles, no crowded folders, the field's names.

The law is closed: every place that it permits exists and is used, and every third-party package has a row.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.law_of_imports import OURS, PACKAGES

ROOT = Path(__file__).parent.parent
KERAS = {"zoo/convert/", "finetune/deep/"}
MAY_IMPORT = {  # third-party package -> folders and files that may import it
    "PIL": {"graft/inputs/", "finetune/data/", "finetune/report/sample_preview.py", "service/client/"},
    "ai_edge_litert": {"zoo/convert/keras_models/"},
    "click": {"graft/cli/", "zoo/cli/", "finetune/cli/", "service/cli.py", "service/predict/", "service/server/"},
    "fastapi": {"service/"},
    "filelock": {"graft/storage/", "finetune/deep/"},
    "google": {"zoo/convert/tokenizer_json/"},
    "httpx2": {"service/client/", "zoo/weights/"},
    "jinja2": {"finetune/report/render_template.py"},
    "keras": KERAS,
    "keras_cv": {"zoo/convert/networks/"},
    "keras_hub": {"zoo/convert/"},
    "markupsafe": {"finetune/report/", "finetune/doctor/html_report.py"},
    "matplotlib": {"zoo/bench/"},
    "mlxtend": {"finetune/data/"},
    "numpy": set(PACKAGES),
    "onnx": {"zoo/convert/", "zoo/export/", "finetune/head/"},
    "onnxruntime": {"graft/runtime/", "zoo/convert/int8_image.py"},
    "openpyxl": {"graft/tables/"},
    "optuna": {"finetune/head/"},
    "prometheus_client": {"service/"},
    "pyarrow": {"graft/tables/"},
    "pydantic": {"service/"},
    "pydantic_core": {"service/"},
    "pydantic_settings": {"service/settings.py"},
    "python_multipart": {"service/routes/"},
    "rich": {"graft/progress/"},
    "scipy": {"finetune/head/"},
    "simdjson": {"service/routes/open_inference/"},
    "sklearn": {"finetune/"},
    "starlette": {"service/"},
    "tensorflow": KERAS,
    "tf2onnx": {"zoo/convert/onnx_graph/"},
    "threadpoolctl": {"finetune/"},
    "tokenizers": {"graft/inputs/", "zoo/convert/"},
    "uvicorn": {"service/"},
}
NOWHERE = {"pickle", "joblib", "torch", "h5py", "dill", "cloudpickle"}
UNPICKLES = {"zoo/convert/networks/pytorch_checkpoint.py"}  # a restricted unpickler that admits three names
MAX_FILES_IN_A_FOLDER = 16
MAX_MODULES = 310


@cache
def sources() -> dict[str, ast.Module]:
    """Every module of ours, by its path in the repository."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in paths}


@cache
def imported_packages(file: str) -> frozenset[str]:
    """Top-level packages that a module imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(sources()[file]):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            found |= {arg.value.split(".")[0] for arg in node.args if isinstance(arg, ast.Constant)}
    return frozenset(found)


def importers(package: str) -> set[str]:
    return {file for file in sources() if package in imported_packages(file)}


def is_in(file: str, place: str) -> bool:
    return file == place or file.startswith(place.rstrip("/") + "/")


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_those_below_them(package: str) -> None:
    imported = {
        other: sorted(file for file in importers(other) if is_in(file, package))
        for other in PACKAGES
        if other != package
    }
    astray = {other: files for other, files in imported.items() if files and other not in OURS[package]}
    assert not astray, f"{package} may import {sorted(OURS[package]) or 'nothing of ours'}"
    unused = {other for other in OURS[package] if not imported[other]}
    assert not unused, "the law permits what nobody does"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_third_party_packages_stay_where_they_belong(package: str) -> None:
    files = importers(package)
    astray = {file for file in files if not any(is_in(file, place) for place in MAY_IMPORT[package])}
    assert not astray, f"{package} may be imported in {sorted(MAY_IMPORT[package])} only"
    unused = {place for place in MAY_IMPORT[package] if not any(is_in(file, place) for file in files)}
    assert not unused, f"no file there imports {package}"


def test_every_third_party_package_has_a_row() -> None:
    everything = set().union(*(imported_packages(file) for file in sources()))
    assert everything - sys.stdlib_module_names - set(PACKAGES) == set(MAY_IMPORT)


def test_nothing_that_runs_code_when_it_is_opened() -> None:
    astray = {file for package in NOWHERE for file in importers(package)} - UNPICKLES
    assert not astray


def test_the_client_knows_no_server() -> None:
    client = {file for file in sources() if is_in(file, "service/client")}
    assert client
    for package in ("fastapi", "starlette", "uvicorn", "pydantic", "onnxruntime"):
        assert not client & importers(package)


def test_errors_are_standard_library_only() -> None:
    assert imported_packages("graft/errors.py") == {"__future__"}


def module_of(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below, without those that only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if not is_for_types(child):
            yield child
            yield from running(child)


@cache
def graph() -> dict[str, frozenset[str]]:
    """Module of ours -> modules of ours that it imports, inside functions too."""
    modules = {module_of(file) for file in sources()}
    edges: dict[str, set[str]] = defaultdict(set)
    for file, tree in sources().items():
        for node in running(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in modules else node.module for name in names]
            else:
                continue
            edges[module_of(file)] |= {name for name in names if name in modules}
    return {module: frozenset(edges[module] - {module}) for module in modules}


def test_there_are_no_import_circles() -> None:
    left = dict(graph())
    while leaves := {module for module, imported in left.items() if not imported & left.keys()}:
        left = {module: imported for module, imported in left.items() if module not in leaves}
    circles = {module: sorted(imported & left.keys()) for module, imported in left.items()}
    assert not circles


def test_no_folder_is_crowded_and_the_house_stays_small() -> None:
    folders = Counter(str(Path(file).parent) for file in sources())
    assert {folder: count for folder, count in folders.items() if count > MAX_FILES_IN_A_FOLDER} == {}
    assert len(sources()) <= MAX_MODULES
    tests = Counter(str(path.parent.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py"))
    assert {folder: count for folder, count in tests.items() if count > MAX_FILES_IN_A_FOLDER} == {}


def test_no_test_module_imports_another() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tests."):
                names = {node.module.rsplit(".", 1)[-1], *(alias.name for alias in node.names)}
                modules = {name for name in names if name.startswith("test_") and not name.endswith("()")}
                assert not modules, f"{path.relative_to(ROOT)} imports {node.module}; share it in tests/support/"
                assert not node.module.endswith("conftest"), path


HEAVY = {"tensorflow", "keras", "keras_cv", "keras_hub", "torch", "sklearn", "tf2onnx"}
RUN = "from click.testing import CliRunner; from {} import cli; r = CliRunner().invoke(cli, {})"
LIGHT = {
    "import graft": ("import graft", {"numpy", "onnxruntime", "click"}),
    "zoo list": (RUN.format("zoo.cli.main", ["list"]), {"numpy", "onnxruntime", "matplotlib"}),
    "zoo list --fast": (RUN.format("zoo.cli.main", ["list", "--fast"]), {"numpy", "onnxruntime", "PIL", "matplotlib"}),
    "finetune --help": (RUN.format("finetune.cli.main", ["--help"]), {"numpy", "onnxruntime", "jinja2"}),
    "the client": ("import service.client.client", {"fastapi", "onnxruntime", "pydantic"}),
    "the app": ("import service.server.app", {"onnx", "zoo", "filelock"}),
}


def modules_after(script: str) -> set[str]:
    check = f"import sys; {script}; assert 'r' not in globals() or r.exit_code == 0, r.output; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


@pytest.mark.parametrize("what", LIGHT)
def test_cold_imports_stay_light(what: str) -> None:
    script, also = LIGHT[what]
    assert not {name.split(".")[0] for name in modules_after(script)} & (HEAVY | also)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_real(package: str) -> None:
    module = __import__(package)
    public = getattr(module, "__all__", [])
    assert list(public) == sorted(public)
    assert all(hasattr(module, name) for name in public)


def test_a_folder_called_graft_does_not_hide_the_package(tmp_path: Path) -> None:
    """Python started in the folder above a clone called `graft` must find the installed package, not the clone."""
    (tmp_path / "graft").symlink_to(ROOT)
    script = "import graft, zoo, finetune, service; print(graft.__version__, *(p.__file__ for p in (graft, zoo)))"
    for folder in (tmp_path, ROOT, ROOT / "docs"):
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=folder)
        assert ran.returncode == 0, ran.stderr
        assert re.match(r"\d+\.\d+\.\d+ ", ran.stdout)
        assert "None" not in ran.stdout
