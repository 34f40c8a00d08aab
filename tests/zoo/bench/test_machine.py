"""Which machine this is, by what Linux says of its processor."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from zoo.bench.machine import this_machine
from zoo.cores import cores

X86 = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
stepping\t: 1
flags\t\t: fpu sse2 avx512_vnni

processor\t: 1
model name\t: another
"""
ARM = """processor\t: 0
Features\t: fp asimd
CPU implementer\t: 0x41
CPU part\t: 0xd0c
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(text)
    return path


def test_the_first_processor_gives_the_name_with_its_numbers(tmp_path: Path) -> None:
    machine = this_machine(written(tmp_path, X86))
    assert machine.cpu == "AMD EPYC (family 26, model 2, stepping 1)"
    assert (machine.cores, machine.onnxruntime) == (cores(), version("onnxruntime"))
    assert str(machine).startswith(machine.cpu)


def test_a_processor_that_hides_an_instruction_is_another_one(tmp_path: Path) -> None:
    whole = this_machine(written(tmp_path, X86))
    lesser = this_machine(written(tmp_path, X86.replace(" avx512_vnni", "")))
    reordered = this_machine(written(tmp_path, X86.replace("fpu sse2", "sse2 fpu")))
    assert whole.cpu == lesser.cpu
    assert whole.key != lesser.key
    assert whole == reordered


def test_arm_and_what_is_no_linux_have_a_name_too(tmp_path: Path) -> None:
    assert "implementer 0x41, part 0xd0c" in this_machine(written(tmp_path, ARM)).cpu
    assert this_machine(tmp_path / "none").cpu
