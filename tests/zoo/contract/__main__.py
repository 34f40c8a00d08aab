"""Whether catalog entries are true: `python -m tests.zoo.contract NAME...`, or `--all`.

The verdict of each is written into docs/verdicts.json at once; `python docs/make_zoo.py` makes the page of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from docs.make_zoo import VERDICTS
from graft.errors import GraftError
from graft.progress.terminal import TerminalProgress
from graft.storage.atomic_file import write_atomic
from tests.zoo.contract.verdict import groups, verdict
from zoo.catalog.backbone import Backbone
from zoo.catalog.find import get_backbone


def main() -> int:
    """Try the entries that are named, and return 1 if one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.contract", description="Try catalog entries.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--all", action="store_true", help="every entry that is not refused, the smallest first")
    parser.add_argument("--new", action="store_true", help="leave out what has a verdict already")
    parser.add_argument("--into", type=Path, default=VERDICTS, metavar="FILE", help=f"default {VERDICTS}")
    wish = parser.parse_args()
    known = json.loads(wish.into.read_bytes()) if wish.into.is_file() else {}
    try:
        wanted = _wanted(groups(), None if wish.all else {get_backbone(name).name for name in wish.names})
    except GraftError as error:
        parser.error(str(error))
    if wish.new:
        wanted = [group for group in wanted if any(entry.name not in known for entry in group)]
    if not wanted and not wish.new:
        parser.error("name at least one backbone, or say --all. Example: python -m tests.zoo.contract vgg16")
    failed = False
    for number, group in enumerate(wanted, 1):
        with TerminalProgress().bar(f"{group[0].name}, {number} of {len(wanted)}", None):
            found = verdict(group[0])
        record(group, found, wish.into)
        failed |= found["outcome"] == "fails"
        sys.stderr.write(f"{group[0].name}: {found['outcome']} {found.get('parity') or found.get('why')}\n")
    return int(failed)


def _wanted(groups: dict[str, list[Backbone]], names: set[str] | None) -> list[list[Backbone]]:
    """Return the groups that hold one of `names`; None: all."""
    return [group for group in groups.values() if names is None or names & {entry.name for entry in group}]


def record(group: list[Backbone], found: dict[str, Any], file: Path) -> None:
    """Write one verdict into the file of all, for each entry of the group that was tried by its first."""
    known = json.loads(file.read_bytes()) if file.is_file() else {}
    for entry in group:
        known[entry.name] = found if entry is group[0] else {"like": group[0].name}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, (json.dumps(known, indent=2, sort_keys=True) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
