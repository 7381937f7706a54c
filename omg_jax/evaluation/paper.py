"""What the paper printed: Tables 1 to 6 of OMG-Avatar (arXiv 2603.01506), as data.

Units and directions are the paper's: PSNR in dB; AKD in pixels at 512; for PSNR, SSIM and CSIM more is better, for
LPIPS, AED, APD and AKD less. What a column of the paper was computed with, and what stands beside it here, is in
``COUNTERPARTS``.
"""

from typing import NamedTuple

SELF_COLUMNS = ("PSNR", "SSIM", "LPIPS", "CSIM", "AED", "APD", "AKD")
CROSS_COLUMNS = ("CSIM", "AED", "APD")
DECIMALS = {"PSNR": 2, "SSIM": 3, "LPIPS": 3, "CSIM": 3, "AED": 3, "APD": 3, "AKD": 3}
# Our methods -> the paper's rows.
LEVELS = {"level 0": "OMG-Avatar (Sub #0)", "level 1": "OMG-Avatar (Sub #1)", "level 2": "OMG-Avatar (Sub #2)"}


class ReenactmentTable(NamedTuple):
    """Table 1 or 2. rows: method -> ten numbers, those of SELF_COLUMNS and then those of CROSS_COLUMNS."""

    number: int
    data: str
    clips: int
    frames_per_clip: int
    rows: dict[str, tuple[float, ...]]

    def columns(self, protocol: str) -> dict[str, dict[str, float]]:
        """Method -> column -> number, of self- or cross-reenactment ("self", "cross")."""
        names, first = {"self": (SELF_COLUMNS, 0), "cross": (CROSS_COLUMNS, len(SELF_COLUMNS))}[protocol]
        return {
            method: dict(zip(names, numbers[first : first + len(names)], strict=True))
            for method, numbers in self.rows.items()
        }


TABLE_1 = ReenactmentTable(
    number=1,
    data="VFHQ",
    clips=50,
    frames_per_clip=50,
    rows={
        "StyleHeat": (19.95, 0.726, 0.211, 0.537, 0.199, 0.385, 7.659, 0.407, 0.279, 0.551),
        "ROME": (19.96, 0.786, 0.192, 0.701, 0.138, 0.186, 4.986, 0.530, 0.259, 0.277),
        "OTAvatar": (17.65, 0.563, 0.294, 0.465, 0.234, 0.545, 18.19, 0.364, 0.324, 0.678),
        "HideNeRF": (19.79, 0.768, 0.180, 0.787, 0.143, 0.361, 7.254, 0.514, 0.277, 0.527),
        "GOHA": (20.15, 0.770, 0.149, 0.664, 0.176, 0.173, 6.272, 0.518, 0.274, 0.261),
        "CVTHead": (18.43, 0.706, 0.317, 0.504, 0.186, 0.224, 5.678, 0.374, 0.261, 0.311),
        "GPAvatar": (21.04, 0.807, 0.150, 0.772, 0.132, 0.189, 4.226, 0.564, 0.255, 0.328),
        "Real3DPortrait": (20.88, 0.780, 0.154, 0.801, 0.150, 0.268, 5.971, 0.663, 0.296, 0.411),
        "Portrait4D": (20.35, 0.741, 0.191, 0.765, 0.144, 0.205, 4.854, 0.596, 0.286, 0.258),
        "Portrait4D-v2": (21.34, 0.791, 0.144, 0.803, 0.117, 0.187, 3.749, 0.656, 0.286, 0.273),
        "GAGAvatar": (21.83, 0.818, 0.122, 0.816, 0.111, 0.135, 3.349, 0.633, 0.253, 0.247),
        "LAM": (22.65, 0.829, 0.109, 0.822, 0.102, 0.134, 2.059, 0.651, 0.250, 0.356),
        "OMG-Avatar (Sub #2)": (22.72, 0.831, 0.091, 0.869, 0.088, 0.111, 2.045, 0.660, 0.235, 0.257),
        "OMG-Avatar (Sub #1)": (22.68, 0.830, 0.094, 0.858, 0.089, 0.112, 2.055, 0.644, 0.233, 0.260),
        "OMG-Avatar (Sub #0)": (22.18, 0.817, 0.102, 0.855, 0.134, 0.142, 2.790, 0.616, 0.254, 0.279),
    },
)

TABLE_2 = ReenactmentTable(
    number=2,
    data="HDTF",
    clips=19,
    frames_per_clip=100,
    rows={
        "StyleHeat": (21.41, 0.785, 0.155, 0.657, 0.158, 0.162, 4.585, 0.632, 0.271, 0.239),
        "ROME": (20.51, 0.803, 0.145, 0.738, 0.133, 0.123, 4.763, 0.726, 0.268, 0.191),
        "OTAvatar": (20.52, 0.696, 0.166, 0.662, 0.180, 0.170, 8.295, 0.643, 0.292, 0.222),
        "HideNeRF": (21.08, 0.811, 0.117, 0.858, 0.120, 0.247, 5.837, 0.843, 0.276, 0.288),
        "GOHA": (21.31, 0.807, 0.113, 0.725, 0.162, 0.117, 6.332, 0.735, 0.277, 0.136),
        "CVTHead": (20.08, 0.762, 0.179, 0.608, 0.169, 0.138, 4.585, 0.591, 0.242, 0.203),
        "GPAvatar": (23.06, 0.855, 0.104, 0.855, 0.114, 0.135, 3.293, 0.842, 0.268, 0.219),
        "Real3DPortrait": (22.82, 0.835, 0.103, 0.851, 0.138, 0.137, 4.640, 0.903, 0.299, 0.238),
        "Portrait4D": (20.81, 0.786, 0.137, 0.810, 0.134, 0.131, 4.151, 0.793, 0.291, 0.240),
        "Portrait4D-v2": (22.87, 0.860, 0.105, 0.860, 0.111, 0.111, 3.292, 0.857, 0.262, 0.183),
        "GAGAvatar": (23.13, 0.863, 0.103, 0.862, 0.110, 0.111, 2.985, 0.851, 0.231, 0.181),
        "LAM": (23.43, 0.873, 0.097, 0.865, 0.101, 0.093, 1.965, 0.849, 0.230, 0.229),
        "OMG-Avatar (Sub #2)": (24.14, 0.875, 0.061, 0.943, 0.080, 0.064, 1.806, 0.886, 0.226, 0.155),
        "OMG-Avatar (Sub #1)": (24.06, 0.874, 0.063, 0.937, 0.081, 0.066, 1.834, 0.881, 0.227, 0.155),
        "OMG-Avatar (Sub #0)": (23.85, 0.868, 0.067, 0.942, 0.121, 0.085, 2.381, 0.872, 0.246, 0.156),
    },
)

# Table 3: frames per second of 100 frames, 512 x 512, without the time that tracking the driver takes.
FRAMES_PER_SECOND = {
    "A100": {
        "HideNeRF": 9.73,
        "CVTHead": 18.09,
        "Real3DPortrait": 4.55,
        "Portrait4D-v2": 9.62,
        "GAGAvatar": 67.12,
        "Avat3r": 53.0,
        "LAM, no refiner": 280.0,
        "OMG-Avatar (Sub #2)": 85.94,
    },
    "RTX 4090": {"OMG-Avatar (Sub #2)": 126.44, "OMG-Avatar (Sub #1)": 148.04, "OMG-Avatar (Sub #0)": 152.57},
}

# Table 4: parts left out, self-reenactment on VFHQ at level 2.
ABLATION_COLUMNS = ("PSNR", "SSIM", "LPIPS", "CSIM")
ABLATIONS = {
    "w/o Global Feature": (20.85, 0.796, 0.121, 0.429),
    "w/o Local Feature": (21.21, 0.802, 0.128, 0.429),
    "w/o Refiner": (21.42, 0.809, 0.115, 0.842),
    "w/o Shoulder": (22.42, 0.828, 0.099, 0.867),
    "whole": (22.72, 0.831, 0.091, 0.869),
}

# Table 5: Gaussians on the head at levels 0, 1 and 2, and on the shoulders.
HEAD_GAUSSIANS = (5_023, 20_018, 79_936)
SHOULDER_GAUSSIANS = {"VFHQ": 8_860, "HDTF": 9_443}


class TransformerSize(NamedTuple):
    """A row of Table 6. gpu_hours: of the whole training, as printed; None where our copy of the table lost it."""

    layers: int
    heads: int
    width: int
    gpu_hours: str | None


# Table 6.
TRANSFORMERS = {
    "LAM": TransformerSize(layers=10, heads=16, width=1024, gpu_hours="2 weeks x 8 GPUs"),
    "OMG-Avatar": TransformerSize(layers=2, heads=8, width=256, gpu_hours=None),
}


class Counterpart(NamedTuple):
    """The paper's column that one of our metrics stands beside; differs: what was computed otherwise, "" if nothing."""

    column: str
    differs: str


_SFACE = "the paper's CSIM is by ArcFace"
_DEEP3D = "the paper's is by Deep3DFaceRecon, on a scale of its own"
_LPIPS = "the paper does not name its net; its authors' script has SqueezeNet"

# Protocol -> key of our metric -> the paper's column.
COUNTERPARTS = {
    "self": {
        "psnr": Counterpart("PSNR", ""),
        "ssim": Counterpart("SSIM", ""),
        "lpips_squeeze": Counterpart("LPIPS", ""),
        "lpips_alex": Counterpart("LPIPS", _LPIPS),
        "lpips_vgg": Counterpart("LPIPS", _LPIPS),
        "csim_arcface_target": Counterpart("CSIM", ""),
        "csim_sface_target": Counterpart("CSIM", _SFACE),
        "aed_tracker": Counterpart("AED", _DEEP3D),
        "apd_tracker": Counterpart("APD", _DEEP3D),
        "akd_mediapipe": Counterpart("AKD", "the paper's has 68 other landmarks"),
    },
    "cross": {
        "csim_arcface_source": Counterpart("CSIM", ""),
        "csim_sface_source": Counterpart("CSIM", _SFACE),
        "aed_tracker": Counterpart("AED", _DEEP3D),
        "apd_tracker": Counterpart("APD", _DEEP3D),
    },
}


def table_of(data_name: str) -> tuple[ReenactmentTable, bool]:
    """(the paper's table to set beside a data set of this name, whether it is of the same data).

    Table 2 for a name with "hdtf" in it, Table 1 for all others; only names with "vfhq" or "hdtf" are the same data.
    """
    name = data_name.lower()
    return (TABLE_2, True) if "hdtf" in name else (TABLE_1, "vfhq" in name)
