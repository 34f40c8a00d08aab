"""The command `finetune check`. Heavy modules are imported when it runs, so that `--help` is fast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from finetune.cli.options import JSON_OPTION, PROGRESS_OPTION, RECIPE_OPTIONS
from graft.cli.completion_values import complete_files
from graft.cli.run_cli import progress_reporter
from zoo.catalog.backbone import Precision

CHECK_EPILOG = """\b
Examples:
  finetune check photos/
  finetune check photos/ --html check.html      the findings with their images
  finetune check reviews.csv --label stars --json | jq .label_errors.found
  finetune check photos/ --fix clean.csv && finetune clean.csv

\b
It finds unreadable files, exact and near duplicates, leaks between the parts of a split,
contradicting labels, classes that look like one, and likely label errors. The data are
never changed: --fix writes a table without exact duplicates, contradictions and leaks, in
which suspect labels are marked, not changed. The exit status is 0 whatever it finds.
"""
DATA_OPTION_NAMES = ("task", "text", "label", "split_column", "sheet")
TRUNK_OPTION_NAMES = ("backbone", "precision")


@click.command(
    "check",
    epilog=CHECK_EPILOG,
    params=[RECIPE_OPTIONS[name] for name in DATA_OPTION_NAMES + TRUNK_OPTION_NAMES],
)
@click.argument("data", shell_complete=complete_files)
@click.option(
    "--html", metavar="FILE", shell_complete=complete_files, help="Write the findings as an HTML page, with samples."
)
@click.option(
    "--fix",
    metavar="MANIFEST.csv",
    shell_complete=complete_files,
    help="Write a cleaned table that `finetune` can read.",
)
@click.option("--no-samples", is_flag=True, help="Keep your samples out of the HTML page.")
def check(data: str, html: str | None, fix: str | None, no_samples: bool, **options: Any) -> None:  # noqa: ANN401
    """Check DATA for problems before training: duplicates, leaks, label errors.

    DATA is as for `finetune`: a folder of class folders, a table, an archive or sample:digits.
    """
    from finetune.doctor.examine import load_and_examine
    from finetune.doctor.fix import write_clean_table
    from finetune.doctor.html_report import write_html_report
    from finetune.doctor.text_report import render_next_steps, render_text
    from finetune.recipe_toml import data_options_from_values

    data_options = data_options_from_values(options)
    with progress_reporter(options["progress"]) as progress:
        precision = Precision(options["precision"]) if options["precision"] else None
        findings = load_and_examine(data, data_options, options["backbone"] or "", precision, progress)
        if html:
            write_html_report(findings, Path(html), own_samples=not no_samples)
        fix_result = write_clean_table(findings, Path(fix)) if fix else None
    if options["as_json"]:
        click.echo(
            json.dumps(findings.to_dict() | {"fix": fix_result.to_dict() if fix_result else None}, ensure_ascii=False)
        )
    else:
        click.echo("\n".join([render_text(findings), *render_next_steps(findings, html, fix_result)]))


check.params += [PROGRESS_OPTION, JSON_OPTION]
