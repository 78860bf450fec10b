"""Brightness, sharpness, shape and size of the pictures, and marks for the odd ones.

Light and sharpness are those of the thumbnail (320 px): what is soft there is soft at any size, a slight blur of a large
original is not seen. Width, height and pixels are those of the file.
Sources: Crete et al., The blur effect, 2007 (blur, scikit-image); the rule for dark pictures is cleanvision's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.signals import pictures
from pipeline.signals.signal import UNKNOWN_FLAG, Column, Result, Signal, SignalContext

if TYPE_CHECKING:
    from pipeline.store import Store

DARK = 0.32
"""A picture is dark where 99 % of its points are below this luminance: even its lights are dim."""
BRIGHT = 0.75
"""… and too bright where 95 % of its points are above this one: even its shadows are pale."""
BLURRED = 0.58
"""Of 274 sharp photos of the demo and of COCO one is above; of photos blurred by 0.8 % of their longer side nearly all are."""
ODD_ASPECT = 2.5
"""Longer ÷ shorter side."""
SMALLEST = 24
"""Pixels of the shorter side of a thumbnail below which sharpness can't be told."""

COLUMNS = (
    Column("brightness", "Brightness", "number", "", "Median luminance of the picture: 0 black, 1 white."),
    Column("blur", "Blur", "number", "", "0 sharp, 1 without any edge, told from the thumbnail."),
    Column("aspect", "Width ÷ height", "number", "", "Above 1 is wide, below 1 is tall."),
    Column("image_pixels", "Pixels of the picture", "number", "pixels", "Width × height of the file."),
    Column("dark", "Dark picture", "flag", help=f"99 % of its points are below luminance {DARK}."),
    Column("bright", "Overexposed picture", "flag", help=f"95 % of its points are above luminance {BRIGHT}."),
    Column("blurred", "Blurred picture", "flag", help=f"Blur above {BLURRED}."),
    Column("odd_aspect", "Odd shape", "flag", help=f"One side is more than {ODD_ASPECT} times the other."),
)
_MEASURES = ("brightness", "blur", "shadows", "lights", "wide")


def run(context: SignalContext) -> Result:
    shas = pictures.shas_of(context.store, context.dataset_id)
    looked = context.over(shas, lambda part: measure_all(context, part), stage="looking at pictures", name="measures", batch=32, part=2048)
    table = looked["measures"] if looked else np.full((0, len(_MEASURES)), np.nan, np.float32)
    measured = dict(zip(_MEASURES, table.T))
    sizes = pictures.pixel_sizes(context.store, shas)
    aspect = upright_aspect(sizes, measured["wide"])
    numbers = {"brightness": measured["brightness"], "blur": measured["blur"], "aspect": aspect, "image_pixels": sizes.prod(axis=1)}
    flags = {"dark": flag(measured["lights"], measured["lights"] < DARK), "bright": flag(measured["shadows"], measured["shadows"] > BRIGHT),
             "blurred": flag(measured["blur"], measured["blur"] > BLURRED), "odd_aspect": flag(aspect, np.maximum(aspect, 1 / aspect) > ODD_ASPECT)}
    unread = int(np.isnan(measured["brightness"]).sum())
    note = "No record has a picture." if not shas else f"{unread:,} of {len(shas):,} pictures could not be read." if unread else ""
    return Result({**{name: pictures.to_records(context.facts, values.astype(np.float32), np.nan) for name, values in numbers.items()},
                   **{name: pictures.to_records(context.facts, values, UNKNOWN_FLAG) for name, values in flags.items()}}, note=note)


def measure_all(context: SignalContext, shas: list[str]) -> dict[str, np.ndarray]:
    """{"measures": float32 (len(shas), 5)}, a row of NaN where a picture can't be read."""
    return {"measures": np.array(pictures.for_each(context.workspace, shas, measure), np.float32).reshape(len(shas), len(_MEASURES))}


def measure(image: Image.Image | None) -> tuple[float, ...]:
    """(median luminance, blur, 5 % point, 99 % point, width ÷ height) of a thumbnail; luminance 0–1, blur NaN where it can't be told."""
    if image is None:
        return (np.nan,) * len(_MEASURES)
    gray = np.asarray(image.convert("L"))  # (H, W) uint8
    shadows, middle, lights = np.percentile(gray, (5, 50, 99)) / 255
    return float(middle), blur_of(gray), float(shadows), float(lights), image.width / image.height


def blur_of(gray: np.ndarray) -> float:
    """Perceived blur of (H, W) uint8, 0–1; NaN for a picture too small, or without any edge to judge by."""
    if min(gray.shape) < SMALLEST or int(gray.max()) == int(gray.min()):
        return float("nan")
    from skimage.measure import blur_effect

    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(blur_effect(gray))
    return value if np.isfinite(value) else float("nan")


def upright_aspect(sizes: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Width ÷ height (M,) of files (M, 2) as a person sees them: turned where the upright thumbnail, `seen` (M,), lies the other way."""
    aspect = sizes[:, 0] / sizes[:, 1]
    turned = np.isfinite(seen) & ((aspect > 1) != (seen > 1)) & (np.abs(aspect - seen) > 0.02 * aspect)
    return np.where(turned, 1 / aspect, np.where(np.isnan(aspect), seen, aspect))


def flag(known: np.ndarray, is_set: np.ndarray) -> np.ndarray:
    """uint8 (M,): 0 or 1, unknown where `known` (M,) is NaN."""
    return np.where(np.isnan(known), UNKNOWN_FLAG, is_set).astype(np.uint8)


def cost(store: Store, dataset_id: int) -> float | None:
    return pictures.seconds(store, dataset_id, times=5.4)


SIGNAL = Signal("image_quality", "Light, blur and shape of pictures", "How bright, sharp, wide and large each picture is, with marks for dark, overexposed, blurred and oddly shaped ones.",
                COLUMNS, "images", 1, False, cost, run)
