"""Runs small CNNs on NumPy arrays and pictures."""

from collections.abc import Iterable
from os import PathLike
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Model", "__version__"]

__version__: str

@final
class Model:
    """A baked model, ready to run; without a path, the reader of handwritten digits that is inside this module."""

    def __new__(cls, path: str | PathLike[str] | None = None) -> Model: ...
    @staticmethod
    def from_bytes(data: bytes) -> Model:
        """The model whose file's content is `data`."""
    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the scores."""
    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images that the model takes."""
    @property
    def preprocess(self) -> str:
        """What becomes of a picture of another size: `digit`, `stretch`, `crop` or `pad`."""
    def scores(self, images: NDArray[np.uint8], *, threads: int = 1) -> NDArray[np.float32]:
        """The scores, `[n, classes]`, of images `[n, channels, height, width]`."""
    def predict(
        self, images: NDArray[np.uint8], *, threads: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], list[str]]:
        """Numbers of the classes, confidences and verdicts of images as `scores` takes them."""
    def read(
        self, pictures: Iterable[bytes | bytearray], *, threads: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], list[str]]:
        """Numbers of the classes, confidences and verdicts of encoded pictures; `ValueError` if one cannot be read."""
    def try_read(
        self, pictures: Iterable[bytes | bytearray | None], *, threads: int = 1
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], list[str], list[str | None]]:
        """The same with a column of errors: one that cannot be read has -1, NaN, `error`, and the reason."""
