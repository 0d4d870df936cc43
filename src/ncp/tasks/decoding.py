"""Decode pictures with Pillow, and clips with PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncp.errors import DataError
from ncp.extras import require_extra
from ncp.io.files import reason_of

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Endings of pictures."""
UNREAD = (".heic", ".heif", ".avif", ".gif", ".dng", ".cr2", ".nef", ".svg")
"""Endings of pictures that are not read."""
VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov")
"""Endings of clips."""
MISSING = 0.1
"""Largest share of the frames that a clip announces and may lack; some programs announce a few too many."""
MOST_PIXELS = 1 << 28
"""Most pixels of a picture; a small file can claim to hold many more."""


def unread_pictures(folder: Path) -> list[str]:
    """Pictures in a folder that no task reads, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix.lower() in UNREAD)


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

    picture = _opened(path, None if size is None else 2 * max(size))
    try:
        upright = ImageOps.exif_transpose(picture)
    except Exception as error:  # Pillow raises many types for a damaged entry
        raise DataError(f"{path} is damaged: its EXIF entry cannot be read: {error}.") from None
    picture = _colors(upright, path)
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


def read_clip(path: Path, frames: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The frames in the middle of a clip, as `(frames, height, width, 3)`.

    The first and the last frame are repeated where a clip is shorter. Frames keep their proportions, and what is beyond
    the centre is cut off. They are not turned, whatever the file says of the camera's position.

    Args:
        path: the file.
        frames: how many.
        size: height and width [pixels].

    Raises:
        DataError: the file is not a clip, is damaged or is cut off.
        MissingExtraError: PyAV is not installed.
    """
    require_extra("tasks", "reading clips")
    import av

    try:
        total = sum(1 for _ in _frames(path))
        first = (total - frames) // 2
        found = [_fitted(frame, size) for number, frame in enumerate(_frames(path)) if first <= number < first + frames]
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not a clip, or it is damaged: {_reason(error, path)}.") from None
    if not found:
        raise DataError(f"{path} has no frames.")
    numbers = np.arange(first, first + frames).clip(0, total - 1) - max(first, 0)
    clip: NDArray[np.uint8] = np.stack(found)[numbers]
    return clip


def _frames(path: Path) -> Iterator[Any]:
    """The frames of a clip in order, decoded by one thread."""
    import av

    with av.open(str(path)) as container:
        if not container.streams.video:
            raise DataError(f"{path} has no pictures.")
        stream = container.streams.video[0]
        stream.thread_count = 1
        stream.thread_type = "NONE"
        count = 0
        for frame in container.decode(stream):
            if frame.width * frame.height > MOST_PIXELS:
                raise DataError(f"{path} has {frame.width} x {frame.height} pixels. The most are {MOST_PIXELS}.")
            count += 1
            yield frame
        if count < (1 - MISSING) * stream.frames - 1:
            raise DataError(f"{path} is cut off: it has {count} of {stream.frames} frames.")


def _fitted(frame: Any, size: tuple[int, int]) -> Any:
    """The centre of a frame, at a height and width."""
    height, width = size
    scale = max(height / frame.height, width / frame.width)
    tall, wide = max(round(scale * frame.height), height), max(round(scale * frame.width), width)
    if (tall, wide) == (frame.height, frame.width):
        pixels = frame.to_ndarray(format="rgb24")
    else:
        pixels = frame.to_ndarray(format="rgb24", width=wide, height=tall, interpolation="AREA")
    top, left = (tall - height) // 2, (wide - width) // 2
    return pixels[top : top + height, left : left + width]


def _opened(path: Path, least: int | None = None) -> Any:
    """The decoded picture; a JPEG may be decoded at a fraction of its size, with sides of `least` [pixels] or more."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise DataError(f"{path} has {picture.width} x {picture.height} pixels. The most are {MOST_PIXELS}.")
            if least is not None:
                picture.draft(None, (least, least))  # four times as fast for photographs of a camera
            picture.load()
            return picture
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is not a picture, or it is damaged: {_reason(error, path)}.") from None


def _colors(picture: Any, path: Path) -> Any:
    """A picture of any form in RGB; of 16 bits the upper eight are kept, and transparency is ignored."""
    from PIL import Image

    if picture.mode.startswith("I;16"):
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise DataError(f"{path} has numbers of 32 bits, whose range is unknown. Save it with 8 or 16 bits.")
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture.convert("RGB")


def _reason(error: Exception, path: Path) -> str:
    return reason_of(error).replace(str(path), path.name).rstrip(".")


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
