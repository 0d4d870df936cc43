"""Decode pictures with Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.errors import DataError
from ncp.extras import require_extra

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Endings of pictures."""
MOST_PIXELS = 1 << 28
"""Most pixels of a picture; a small file can claim to hold many more."""


def read_image(path: Path, size: tuple[int, int] | None = None, crop: bool = True) -> NDArray[np.uint8]:
    """A picture as `(height, width, 3)`, turned upright as its EXIF entry says.

    Args:
        path: the file.
        size: height and width [pixels]; the picture's own size when left out.
        crop: keep the picture's proportions and cut off what is beyond the centre; otherwise stretch it.

    Raises:
        DataError: the file is not a picture, is cut off, or has more than `MOST_PIXELS` pixels.
        MissingExtraError: Pillow is not installed.
    """
    require_extra("tasks", "reading pictures")
    from PIL import ImageOps

    picture = _opened(path)
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    return np.asarray(picture if size is None else _resized(picture, size, crop))


def read_mask(path: Path) -> NDArray[np.uint8]:
    """A mask as `(height, width)`: the values of a picture with one channel, or the indices of one with a palette.

    Raises:
        DataError: the file is not a picture, is cut off, or has several channels.
        MissingExtraError: Pillow is not installed.
    """
    require_extra("tasks", "reading pictures")
    picture = _opened(path)
    if picture.mode not in ("L", "P", "1", "I;16", "I"):
        raise DataError(f"{path} has the channels {picture.mode}, but a mask has one channel of class numbers.")
    values = np.asarray(picture)
    if values.min(initial=0) < 0 or values.max(initial=0) > 255:
        raise DataError(f"{path} has the value {values.max()}, but a mask has values from 0 to 255.")
    return values.astype(np.uint8)


def _opened(path: Path) -> Any:
    """The decoded picture."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise DataError(f"{path} has {picture.width} x {picture.height} pixels. The most are {MOST_PIXELS}.")
            picture.load()
            return picture
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is not a picture, or it is damaged: {_reason(error, path)}.") from None


def _reason(error: Exception, path: Path) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).replace(str(path), path.name).rstrip(".")


def resized_image(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture `(h, w, 3)`, stretched to a height and width by averages of its pixels."""
    from PIL import Image

    return np.asarray(_resized(Image.fromarray(image), size, crop=False))


def resized_mask(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask `(h, w)`, stretched to a height and width; every pixel is the nearest one of the mask."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp) for new, old in zip(size, mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]


def _resized(picture: Any, size: tuple[int, int], crop: bool) -> Any:
    from PIL import ImageOps
    from PIL.Image import Image, Resampling

    if (picture.height, picture.width) == tuple(size):
        return picture
    resize = ImageOps.fit if crop else Image.resize
    return resize(picture, (size[1], size[0]), Resampling.BILINEAR)
