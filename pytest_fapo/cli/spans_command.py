"""`fapo spans`: what a run recorded of the pipeline, for viewers of OpenTelemetry."""

from __future__ import annotations

import argparse
import json

from pytest_fapo.cli.console import OK, CommandConsole, find_root
from pytest_fapo.core.errors import FapoError
from pytest_fapo.loop.run_folder import began, find_run
from pytest_fapo.views.otlp_spans import otlp_json


def export_spans(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo spans RUN`."""
    root = find_root(settings=options.settings)
    run = find_run(root, options.name)
    evaluation = run.load_evaluation("reference.json")
    if evaluation is None:
        raise FapoError(f"run {run.path.name} ended before the pipeline had run in a copy: it has no traces")
    spans = otlp_json(evaluation, began=began(run), project=root.name)
    text = json.dumps(spans, ensure_ascii=False)
    if options.output is None:
        console.file.write(text + "\n")
        return OK
    try:
        options.output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise FapoError(f"{options.output} cannot be written: {error.strerror}") from error
    return OK
