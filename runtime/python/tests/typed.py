"""What a type checker makes of the module: checked by mypy, never run."""

from typing import assert_type

import lenet_runtime
import numpy as np
from numpy.typing import NDArray

model = lenet_runtime.Model("meter.baked")
assert_type(model.classes, tuple[str, ...])
assert_type(model.input_shape, tuple[int, int, int])
images = np.zeros((2, 28, 28), np.uint8)
assert_type(model.scores(images, threads=2), NDArray[np.float32])
assert_type(
    model.try_read([b"", None]),
    tuple[NDArray[np.int64], NDArray[np.float32], list[str], list[str | None]],
)
model.scores(images / 255)  # type: ignore[arg-type]
model.read([None])  # type: ignore[list-item]
