"""Write the files beside an exported model: graft.json, README.md with an example, labels.txt, tokenizer.json."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from graft.bundle.manifest import Manifest
from graft.bundle.open_bundle import Bundle
from graft.bundle.signature import TensorSpec
from zoo.export.proof import Proof
from zoo.export.triton import LABELS_FILE

# Format -> "language|code that opens it"; the code has an array named after each input.
_EXAMPLES: Final = {
    "keras": ('python|import keras\n\nmodel = keras.models.load_model("model.keras")\n{out} = model({named})["{out}"]'),
    "onnx": (
        'python|import onnxruntime\n\nsession = onnxruntime.InferenceSession("model.onnx")\n'
        '({out},) = session.run(["{out}"], {named})'
    ),
    "saved_model": (
        'python|import tensorflow as tf\n\nserve = tf.saved_model.load(".").signatures["serving_default"]\n'
        '{out} = serve({words})["{out}"]  # each a tf.constant'
    ),
    "tflite": (
        "python|from ai_edge_litert.interpreter import Interpreter  # or tf.lite.Interpreter\n\n"
        'runner = Interpreter("model.tflite").get_signature_runner("serving_default")\n{out} = runner({words})["{out}"]'
    ),
    "triton": "sh|tritonserver --model-repository=/REPOSITORY  # the folder above this one, as an absolute path",
}


def write_companion_files(
    folder: Path, bundle: Bundle, form: str, files: list[str], proof: Proof, notes: list[str]
) -> None:
    """Write graft.json and README.md into `folder`, and labels.txt and tokenizer.json if the model has them.

    Args:
        folder: the exported folder.
        bundle: its source.
        form: the export format.
        files: the files that the other runtime opens.
        proof: the result of replaying the golden samples.
        notes: further remarks, one sentence each.
    """
    manifest = bundle.manifest
    facts = {
        "form": form,
        "files": files,
        "model": {"name": manifest.name, "version": manifest.version, "task": manifest.task},
        "inputs": [asdict(tensor) for tensor in manifest.signature.inputs],
        "outputs": [asdict(tensor) for tensor in manifest.signature.outputs],
        "labels": list(manifest.labels),
        "head": manifest.head,
        "input": manifest.input,
        "caller": caller_steps(manifest),
        "proof": asdict(proof),
        "notes": notes,
        "backbone": manifest.backbone,
        "graft": manifest.graft,
    }
    (folder / "graft.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8")
    (folder / "README.md").write_text(_render_readme(manifest, form, files, proof, notes), "utf-8")
    if manifest.labels:
        # A line break in a label would shift all labels after it.
        (folder / LABELS_FILE).write_text("".join(f"{' '.join(label.split())}\n" for label in manifest.labels), "utf-8")
    if bundle.layout.tokenizer.is_file():
        (folder / "tokenizer.json").write_bytes(bundle.layout.tokenizer.read_bytes())


def caller_steps(manifest: Manifest) -> list[str]:
    """Return the pre- and postprocessing that is left to the caller, one sentence per step."""
    before = _image_steps(manifest.input) if manifest.sample_kind == "image" else _text_steps(manifest.input)
    return [*before, *_output_steps(manifest)]


def _image_steps(spec: dict[str, Any]) -> list[str]:
    size = spec.get("size")
    return [
        "Decode the image as RGB, 8 bits per channel: apply its EXIF orientation, blend transparency onto white.",
        f"Resize it to {size} x {size} pixels, width and height independently ({spec.get('geometry')}), "
        f"{spec.get('interpolation')} with antialiasing. The bundle was made with {spec.get('decoder')} "
        f"{spec.get('decoder_version')}; another decoder or filter changes the scores slightly.",
        "Pass uint8 pixels from 0 to 255 unchanged: scaling and normalization are in the graph.",
    ]


def _text_steps(spec: dict[str, Any]) -> list[str]:
    special = spec.get("special", {})
    start = "none" if special.get("start") is None else special["start"]
    pair = " A sample is a pair of texts: start, first, end, second, end." if spec.get("texts") == 2 else ""
    return [
        "Tokenize the text with tokenizer.json (package tokenizers, encode_special_tokens on): the model takes no "
        "strings.",
        f"At most {spec.get('max_tokens')} tokens including special ones; truncate longer texts at the end.{pair}",
        f"Special tokens: start {start}, end {special.get('end')}, padding {special.get('pad')}.",
        f"Pass {', '.join(spec.get('arrays', []))} as int32 [n,t]; padding_mask is 1 on tokens and 0 on padding, "
        "segment_ids is 1 on the second text of a pair.",
    ]


def _output_steps(manifest: Manifest) -> list[str]:
    head = manifest.head
    steps = {
        "classify": [
            "scores are probabilities of the labels, in their order; temperature scaling and softmax are in the graph."
        ],
        "tag": [f"scores are probabilities; a label applies from its threshold up: {head.get('thresholds')}."],
        "regress": ["scores are the predicted values, in the unit of the training data."],
        "embed": ["The output is features; there are no scores."],
    }
    novelty = head.get("novelty", {})
    unknown = [f"A sample whose novelty is above {novelty['threshold']:.6g} is unknown."] if novelty else []
    return [*steps.get(manifest.task, []), *unknown]


def _render_readme(manifest: Manifest, form: str, files: list[str], proof: Proof, notes: list[str]) -> str:
    sections = [
        f"# {manifest.name}, version {manifest.version}, as {form}",
        f"Open: {', '.join(f'`{file}`' for file in files)}. `graft.json` has the same facts for programs.",
        f"```{_EXAMPLES[form].partition('|')[0]}\n{_example_code(manifest, form)}\n```",
        "## Inputs and outputs\n\n" + "\n".join(_tensor_line(tensor) for tensor in _directed_tensors(manifest)),
        "## Left to the caller\n\n" + "\n".join(f"- {line}" for line in caller_steps(manifest)),
        f"## Proof\n\n{proof.samples} golden samples replayed in {proof.runtime}, one by one and in one batch: answers "
        f"differ by {proof.off:.2g} at most; allowed is {proof.allowed:g}.",
        *(["## Notes\n\n" + "\n".join(f"- {note}" for note in notes)] if notes else []),
        f"Backbone: {manifest.backbone.get('name')}. Licence of its weights: {manifest.backbone.get('license')}.",
    ]
    return "\n\n".join(sections) + "\n"


def _example_code(manifest: Manifest, form: str) -> str:
    names = [tensor.name for tensor in manifest.signature.inputs]
    return (
        _EXAMPLES[form]
        .partition("|")[2]
        .format(
            named="{" + ", ".join(f'"{name}": {name}' for name in names) + "}",
            words=", ".join(f"{name}={name}" for name in names),
            out="scores" if manifest.labels else "features",
        )
    )


def _directed_tensors(manifest: Manifest) -> list[tuple[str, TensorSpec]]:
    facts = manifest.signature
    return [*(("in", tensor) for tensor in facts.inputs), *(("out", tensor) for tensor in facts.outputs)]


def _tensor_line(directed: tuple[str, TensorSpec]) -> str:
    direction, tensor = directed
    shape = ", ".join(
        "n" if size == -1 and not at else "any" if size == -1 else str(size) for at, size in enumerate(tensor.shape)
    )
    return f"- {direction}: `{tensor.name}`, {tensor.dtype} [{shape}]"
