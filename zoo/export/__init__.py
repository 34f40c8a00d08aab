"""Export a bundle for other runtimes; the golden samples are replayed there before the folder gets its name.

OUT/                     onnx, keras, tflite: model.onnx, model.keras or model.tflite
graft.json           for programs: inputs, outputs, labels, pre- and postprocessing steps, the proof
README.md            the same for readers
labels.txt           one per line, in the order of the scores; if the model has labels
tokenizer.json       text only
OUT/                     saved_model: saved_model.pb and variables/ beside the same files
OUT/NAME/                triton: config.pbtxt, labels.txt, VERSION/model.onnx; OUT is the model repository
"""

from __future__ import annotations

from typing import Final, Literal, get_args

ExportFormat = Literal["onnx", "saved_model", "tflite", "triton", "keras"]
EXPORT_FORMATS: Final[tuple[ExportFormat, ...]] = get_args(ExportFormat)
