"""Tensors that ONNX Runtime computes from images: one file of raw bytes per named tensor, image after image.

Without --fused, every operator runs as the standard defines it. With it, ONNX Runtime rewrites the graph as it likes:
for int8, to operators on integers.
"""

import argparse
import pathlib

import numpy
import onnx
import onnxruntime

BATCH = 250


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("images", type=pathlib.Path, help="IDX file")
    parser.add_argument("folder", type=pathlib.Path, help="where the files go")
    parser.add_argument("tensors", nargs="+")
    parser.add_argument("--fused", action="store_true")
    arguments = parser.parse_args()

    model = onnx.load(arguments.model)
    onnx.checker.check_model(model, full_check=True)
    answered = {output.name for output in model.graph.output}
    inner = [onnx.ValueInfoProto(name=name) for name in arguments.tensors if name not in answered]
    model.graph.output.extend(inner)
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if arguments.fused else level.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    pixels = numpy.frombuffer(arguments.images.read_bytes()[16:], dtype=numpy.uint8).reshape(-1, 1, 28, 28)
    files = [open(arguments.folder / name, "wb") for name in arguments.tensors]
    for start in range(0, len(pixels), BATCH):
        tensors = session.run(arguments.tensors, {"image": pixels[start : start + BATCH]})
        for file, tensor in zip(files, tensors):
            file.write(tensor.tobytes())
    for file in files:
        file.close()


if __name__ == "__main__":
    main()
