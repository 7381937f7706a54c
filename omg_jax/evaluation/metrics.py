"""The metrics by name: what a table calls them, their unit and direction, and what they are in a line.

A metric that another network computes than the paper's bears that network in its key and title.
"""

from typing import NamedTuple


class Metric(NamedTuple):
    """One column of a table.

    needs_target: it compares with the true frame, which cross-identity pairs lack. of_face: it is missing where no face
    is found; a region's PSNR is missing where the region is empty, and flicker where the frame before is not measured.
    """

    key: str
    title: str
    unit: str
    higher_is_better: bool
    decimals: int
    needs_target: bool
    formula: str
    of_face: bool = False


def _psnr(region: str, pixels: str) -> Metric:
    return Metric(f"psnr_{region}", f"PSNR {region}", "dB", True, 2, True, f"PSNR of {pixels}")


def _lpips(net: str, title: str) -> Metric:
    formula = f"LPIPS v0.1 with {title}: squared differences of unit-length features, weighted by channel"
    return Metric(f"lpips_{net}", f"LPIPS ({net})", "", False, 3, True, formula)


def _csim(net: str, title: str, side: str, picture: str) -> Metric:
    formula = f"cosine of the {title} embeddings of the picture's face and {picture}'s, aligned by five points"
    needs_target = side == "target"
    return Metric(f"csim_{net}_{side}", f"CSIM to {side} ({title})", "", True, 3, needs_target, formula, True)


METRICS: tuple[Metric, ...] = (
    Metric("psnr", "PSNR", "dB", True, 2, True, "-10 log10(mean squared error) over pixels and channels, at most 100"),
    Metric(
        "ssim", "SSIM", "", True, 3, True,
        "mean structural similarity of RGB, Gaussian window 11 x 11 of sigma 1.5, zeros beyond the border",
    ),
    _lpips("alex", "AlexNet"),
    _lpips("vgg", "VGG16"),
    _lpips("squeeze", "SqueezeNet 1.1"),
    _csim("sface", "SFace", "target", "the target"),
    _csim("sface", "SFace", "source", "the photo"),
    _csim("arcface", "ArcFace", "target", "the target"),
    _csim("arcface", "ArcFace", "source", "the photo"),
    Metric(
        "akd_mediapipe", "AKD (MediaPipe 478)", "px", False, 3, True,
        "mean |difference| of x and y over 478 landmarks of picture and target, in pixels of a picture of 512", True,
    ),
    Metric(
        "aed_tracker", "AED (own tracker)", "", False, 4, False,
        "mean |difference| of the expression parameters of heads fitted to the landmarks of picture and driver", True,
    ),
    Metric(
        "apd_tracker", "APD (own tracker)", "rad", False, 4, False,
        "mean |difference| of yaw, pitch and roll of heads fitted to the landmarks of picture and driver", True,
    ),
    _psnr("head", "the pixels that the target's head mesh covers"),
    _psnr("outside", "all other pixels, background too"),
    _psnr("mouth", "the hull of the target's projected lips, grown by a 64th of the side"),
    _psnr("eyes", "the hulls of the target's projected eyelids, grown by a 64th of the side"),
    _psnr("hair", "the target's matte (0.5 and more) outside of its head mesh and above the chin"),
    _psnr("shoulders", "the target's matte (0.5 and more) outside of its head mesh and below the chin"),
    Metric(
        "flicker", "Flicker", "grey levels", False, 3, True,
        "255 mean |e - e'|, e the difference of picture and target, e' that of the frame before; of neighbours in the "
        "video alone",
    ),
)  # fmt: skip
KEYS = tuple(metric.key for metric in METRICS)
# Slow, or by weights that only users have.
ARCFACE_KEYS = ("csim_arcface_target", "csim_arcface_source")
EXTRA_KEYS = ("lpips_vgg", "lpips_squeeze", *ARCFACE_KEYS)
DEFAULT_KEYS = tuple(key for key in KEYS if key not in EXTRA_KEYS)


def metric(key: str) -> Metric:
    """The metric with this key. ValueError, naming the known ones, where there is none."""
    if key not in KEYS:
        raise ValueError(f"there is no metric {key!r}; the known ones are {', '.join(KEYS)}")
    return METRICS[KEYS.index(key)]
