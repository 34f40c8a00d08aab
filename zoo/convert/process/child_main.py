"""`python -m zoo.convert.process.child_main TASK WISH INTO`: one piece of work in a process of its own; WISH is a JSON object.

What is made lies in the folder INTO, with the facts of it in report.json. `zoo.convert.process.child_process` starts it. A task that
opens a stranger's file does so without a network: see `zoo.convert.process.sandbox`.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Final

from graft.errors import GraftError
from zoo.convert.process.child_process import ERROR_FILE, exit_status_for

# Task -> function below zoo.convert: (wish, folder) -> facts.
TASKS: Final = {
    "form": "keras_models.export_formats:write_keras_format",
    "head": "classifier_head:extract_classifier_head",
    "import": "keras_models.import_model:convert_user_model",
}
SANDBOXED_TASKS: Final = frozenset({"form", "import"})


def main() -> int:
    """Do the task and return the exit status; what went wrong is in INTO/error.txt."""
    task, request, into = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])
    module, _, function = TASKS[task].partition(":")
    try:
        if task in SANDBOXED_TASKS:  # before anything is imported that could open a connection
            from zoo.convert.process.sandbox import block_network

            request["alone"] = block_network()
        facts = getattr(importlib.import_module(f"zoo.convert.{module}"), function)(request, into)
    except GraftError as error:
        (into / ERROR_FILE).write_text(str(error), "utf-8")  # not on standard error, where TensorFlow talks too
        return exit_status_for(error)
    (into / "report.json").write_text(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
