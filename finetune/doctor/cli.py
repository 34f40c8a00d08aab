"""The command `finetune check`. Light: what works is imported inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from finetune.options import AS_JSON, DATA, MODEL, PROGRESS
from zoo.completing import files

EPILOG = """\b
Examples:
  finetune check photos/
  finetune check photos/ --html check.html      the findings with the pictures beside them
  finetune check reviews.csv --label stars --json | jq .label_errors.found
  finetune check photos/ --fix clean.csv && finetune clean.csv

\b
It finds what cannot be read, copies and near copies, leaks between the parts of a split,
contradictions, classes that look like one, and the likeliest label errors. The data are
never touched: --fix writes a table without exact copies, contradictions and leaks, in
which suspect labels are marked, not changed. It exits with 0 whatever it finds.
"""
COLUMNS = ("task", "text", "label", "split_column", "sheet")
TRUNK = ("backbone", "precision")


@click.command("check", epilog=EPILOG, params=[one for one in (*DATA, *MODEL) if one.name in COLUMNS + TRUNK])
@click.argument("data", shell_complete=files)
@click.option("--html", metavar="FILE", shell_complete=files, help="Write the findings as a page, with samples.")
@click.option(
    "--fix", metavar="MANIFEST.csv", shell_complete=files, help="Write a cleaned table that `finetune` reads."
)
@click.option("--no-samples", is_flag=True, help="Keep your samples out of the page.")
def check(data: str, html: str | None, fix: str | None, no_samples: bool, **how: Any) -> None:  # noqa: ANN401
    """Look for what is wrong with DATA before anything is trained on them.

    DATA is as for `finetune`: a folder of class folders, a table, an archive or sample:digits.
    """
    from finetune.dataset import Wanted
    from finetune.doctor.checkup import checkup
    from finetune.doctor.facts import facts
    from finetune.doctor.mend import mend
    from finetune.doctor.page import publish
    from finetune.doctor.telling import next_steps, told
    from finetune.tasks import Task
    from zoo.backbone import Precision
    from zoo.console import telling

    wanted = Wanted(
        task=Task(how["task"]) if how["task"] else None,
        text=tuple(how["text"] or ()),
        **{name: how[name] or "" for name in ("label", "split_column", "sheet")},
    )
    with telling(how["progress"]) as progress:
        precision = Precision(how["precision"]) if how["precision"] else None
        found = checkup(data, wanted, how["backbone"] or "", precision, progress)
        if html:
            publish(found, Path(html), own=not no_samples)
        mended = mend(found, Path(fix)) if fix else None
    if how["as_json"]:
        click.echo(json.dumps(facts(found) | {"fix": mended.facts() if mended else None}, ensure_ascii=False))
    else:
        click.echo("\n".join([told(found), *next_steps(found, html, mended)]))


check.params += [PROGRESS, AS_JSON]
