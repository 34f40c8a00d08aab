"""A bundle in the forms of other runtimes, each proven by the bundle's own golden samples before it has its name.

OUT/                     onnx, keras, tflite: model.onnx, model.keras or model.tflite
graft.json           for programs: inputs, outputs, labels, what the caller must do, what was proven
README.md            the same for people
labels.txt           one a line, in the order of the scores; where there are any
tokenizer.json       text only
OUT/                     saved_model: saved_model.pb and variables/ beside the same files
OUT/NAME/                triton: config.pbtxt, labels.txt, VERSION/model.onnx; OUT is the model repository
"""
