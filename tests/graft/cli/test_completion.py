"""Shell completion, as a shell asks for it: the real programs in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.catalog.find import all_backbones, get_backbone

MODULES = {
    "zoo": "zoo.cli.main:main",
    "finetune": "finetune.cli.main:main",
    "serve": "service.cli:serve_main",
    "predict": "service.cli:predict_main",
}


def complete(shell: str, line: str, folder: Path | None = None) -> list[str]:
    """Return the completions at the end of `line`, whose last word is incomplete."""
    words = line.split(" ")
    module, main = MODULES[words[0]].split(":")
    script = f"import sys; sys.argv = [{words[0]!r}]; from {module} import {main}; {main}(); sys.exit('no completion')"
    position = {"COMP_WORDS": " ".join(words), "COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1)}
    variables = {f"_{words[0].upper()}_COMPLETE": f"{shell}_complete"} | position
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    return [word for word in result.stdout.splitlines() if word]


def plain(*words: str) -> list[str]:
    return [f"plain,{word}" for word in words]


@pytest.mark.parametrize(
    "line", ["zoo show resnet50", "zoo pull vgg16 resnet50", "finetune x --backbone resnet50", "zoo publish resnet50"]
)
def test_completion_offers_backbone_names(line: str) -> None:
    fitting = [entry.name for entry in all_backbones() if entry.name.startswith("resnet50")]
    assert complete("bash", line) == plain(*fitting)
    assert get_backbone("resnet50").name in fitting


def test_completion_output_of_each_shell() -> None:
    assert complete("fish", "zoo show vgg16.im") == plain("vgg16.imagenet")
    assert complete("zsh", "zoo show vgg16.im") == ["plain", "vgg16.imagenet", "_"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("zoo comp", plain("completion")),
        ("zoo completion f", plain("fish")),
        ("zoo list --license mi", plain("MIT")),
        ("zoo list --source keras.", plain("keras.applications")),
        ("zoo list --sort to", plain("top1")),
        ("finetune chec", plain("check")),
        ("finetune photos --dep", plain("--depth")),
        ("finetune photos/", ["file,photos/"]),
        ("finetune x --models mo", ["dir,mo"]),
        ("serve --po", plain("--port")),
        ("predict digits pho", ["file,pho"]),
    ],
)
def test_completion_offers_commands_options_values_and_files(line: str, offered: list[str], tmp_path: Path) -> None:
    assert complete("bash", line, tmp_path) == offered


def test_completion_offers_files_before_subcommands(tmp_path: Path) -> None:
    (tmp_path / "checked").mkdir()
    assert complete("bash", "finetune che", tmp_path) == ["file,che"]


def test_completion_offers_models_of_the_repository(tmp_path: Path) -> None:
    for name in ("models/digits/1", "models/.trunks", "other/dishes/1"):
        (tmp_path / name).mkdir(parents=True)
    assert complete("bash", "predict di", tmp_path) == plain("digits")
    assert complete("bash", "predict --models other di", tmp_path) == plain("dishes")
    assert complete("bash", "finetune add more --models other --to d", tmp_path) == plain("dishes")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_covers_all_four_programs(shell: str) -> None:
    script = [sys.executable, "-c", "from zoo.cli.main import main; main()", "completion", shell]
    script_text = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    for program in MODULES:
        assert f"_{program.upper()}_COMPLETE={shell}_complete" in script_text
    parser = shutil.which(shell)
    if parser:  # of the shells, perhaps only bash is here
        subprocess.run([parser, "-n"], input=script_text, text=True, check=True)


def test_completion_works_in_bash_itself(tmp_path: Path) -> None:
    """The script, read by bash, calls `zoo` on the PATH and fills COMPREPLY."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    program = tmp_path / "zoo"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'zoo'\nfrom zoo.cli.main import main\nmain()\n")
    program.chmod(0o755)
    lines = 'eval "$(zoo completion bash)"; COMP_WORDS=(zoo show vgg16.); COMP_CWORD=2; _zoo_completion zoo'
    result = subprocess.run(
        [bash, "--norc", "-c", f'{lines}; echo "${{COMPREPLY[@]}}"'],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["vgg16.imagenet"]
