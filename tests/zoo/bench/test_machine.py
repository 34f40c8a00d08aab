"""Identify the machine by what Linux reports of its processor."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from graft.runtime.cpu_threads import available_cores
from zoo.bench.machine import this_machine

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


def write_cpuinfo(folder: Path, text: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(text)
    return path


def test_machine_name_comes_from_the_first_processor(tmp_path: Path) -> None:
    machine = this_machine(write_cpuinfo(tmp_path, X86))
    assert machine.cpu == "AMD EPYC (family 26, model 2, stepping 1)"
    assert (machine.cores, machine.onnxruntime) == (available_cores(), version("onnxruntime"))
    assert str(machine).startswith(machine.cpu)


def test_machine_key_depends_on_cpu_instructions(tmp_path: Path) -> None:
    whole = this_machine(write_cpuinfo(tmp_path, X86))
    lesser = this_machine(write_cpuinfo(tmp_path, X86.replace(" avx512_vnni", "")))
    reordered = this_machine(write_cpuinfo(tmp_path, X86.replace("fpu sse2", "sse2 fpu")))
    assert whole.cpu == lesser.cpu
    assert whole.key != lesser.key
    assert whole == reordered


def test_machine_name_on_arm_and_without_cpuinfo(tmp_path: Path) -> None:
    assert "implementer 0x41, part 0xd0c" in this_machine(write_cpuinfo(tmp_path, ARM)).cpu
    assert this_machine(tmp_path / "none").cpu
