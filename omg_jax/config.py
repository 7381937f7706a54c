"""Every option of the package, once: frozen dataclasses. Named presets stand in configs/."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """The decoder that turns one learned query per head vertex into F_global.

    Of the authors' recipe two things are not reproduced: dropout of 0.1, and layers that start as copies of each other.
    """

    num_layers: int = 2
    num_heads: int = 8
    hidden: int = 1024  # channels inside the feed-forward block
    self_attention: bool = True  # attention among the queries, as in the authors' release


@dataclasses.dataclass(frozen=True)
class GaussianConfig:
    """The attribute heads of the Gaussians on the mesh. Lengths are world units (5 x metre)."""

    num_channels: int = 32  # splatted feature channels; the first three are the coarse RGB colour
    hidden: int = 128  # channels of the hidden layer of every attribute MLP
    heads_per_level: bool = True  # every level's own vertices have MLPs of their own, as in the authors' release
    max_scale: float = 0.05  # a standard deviation is max_scale * sigmoid(x)
    max_offset: float = 0.25  # a vertex offset is max_offset * tanh(x)
    opaque_start: bool = False  # start nearly opaque, at the mesh's vertex spacing, with a learned scale per level
    carve: bool = False  # transparent where the photo shows background, whether on the near side of the head or the far
    colour_skip: bool = False  # blends in the photo's own colour where it shows a point or its mirror image, by gates


@dataclasses.dataclass(frozen=True)
class PlaneConfig:
    """The branch for what the head mesh does not cover: Gaussians on an image-aligned plane (Eqs. 9-11)."""

    num_hidden: int = 3  # 3x3 convolutions before the 1x1 output
    hidden: int = 128  # channels of each
    upsample: int = 1  # plane points per feature pixel, along each axis
    region: Literal["bottom", "matte"] = "bottom"  # of the matte outside the head: bottom quarter (paper), or all
    margin: float = 0.0  # share of the photo's side by which its left, right and bottom edge repeat, for the head too
    along_ray: bool = False  # move points along their own viewing ray rather than along the view axis
    capacity: int = 24576  # points kept in an avatar: the most opaque; a warning tells how many were left out


@dataclasses.dataclass(frozen=True)
class UNetConfig:
    """The light refiner of the small preset: a residual UNet on the splatted features."""

    widths: tuple[int, ...] = (16, 32, 64, 96)  # channels per resolution, full resolution first
    look_up: bool = False  # Gaussians carry their place in the photo, and the refiner reads the photo there


@dataclasses.dataclass(frozen=True)
class PartsConfig:
    """Parts of the method that the paper's Table 4 and Section 4.5 leave out one at a time."""

    global_features: bool = True  # False: no transformer; F_h is F_local alone, and vertices have no offsets
    local_features: bool = True  # False: nothing is sampled from F_local; F_h is F_global alone
    occlusion_mask: bool = True  # False: every vertex samples the photo, hidden or not (M of Eq. 6 is one)
    shoulder: bool = True  # False: no Gaussians beside those on the head mesh
    refiner: bool = True  # False: the splatted colour is the picture


@dataclasses.dataclass(frozen=True)
class Differences:
    """Where the authors' release differs from the paper: False follows the paper, True the release (paper | release).

    ``ModelConfig.compat`` switches all of them together.
    """

    no_level_mlp: bool = False  # MLP between levels (Eq. 3): residual, ReLU, one per level, last layer zero | none
    normalised_depths: bool = False  # visibility (Eq. 5): view depth and a tolerance | two depths, scaled differently
    near_half_mask: bool = False  # shoulder mask: matte's bottom quarter, no head | all but the near half of the head
    vertex_axis_quats: bool = False  # quaternions on the head: normalised one by one | along the vertex axis
    column_sigmoid: bool = False  # sigmoid of the plane's colours: first three channels | first three image columns
    target_offsets_only: bool = False  # vertex offsets (Eqs. 1-2): on source and target mesh | on the target mesh
    half_pixel_shift: bool = False  # F_local's pixels, sampled and lifted to the plane: at centres | half a pixel off
    refiner_noise: bool = False  # noise in the StyleUNet at inference: none | random (here from a fixed key)


RELEASE = Differences(*[True] * len(dataclasses.fields(Differences)))


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One OMG-Avatar model. Defaults: the paper's; ``compat="release"`` reproduces the authors' released choices."""

    backbone: Literal[
        "dinov2-s-derived",
        "dinov2-small", "dinov2-base", "dinov2-large",
        "dinov2-small-reg", "dinov2-base-reg", "dinov2-large-reg",
    ] = "dinov2-base"  # fmt: skip
    backbone_size: int = 518  # pixels; the source is resized to this before the backbone. A multiple of 14
    token_scale: float = 1.0  # the backbone's tokens are multiplied by it; brings their spread near one
    width: int = 256  # channels of F_local, F_global and the transformer's queries
    pyramid_channels: tuple[int, int, int, int] = (256, 512, 1024, 1024)  # of each tap's 1x1 projection, finest first
    transformer: TransformerConfig = TransformerConfig()
    gaussians: GaussianConfig = GaussianConfig()
    plane: PlaneConfig = PlaneConfig()
    refiner: UNetConfig | None = None  # None: the paper's StyleUNet
    num_levels: int = 2  # subdivisions
    subdivision: Literal["midpoint", "loop"] = "midpoint"
    visibility_tolerance: float = 0.02  # world units; Eq. 5
    image_size: int = 512  # pixels, square
    compat: Literal["paper", "release"] = "paper"  # see Differences
    parts: PartsConfig = PartsConfig()

    @property
    def differences(self) -> Differences:
        """What compat stands for."""
        return RELEASE if self.compat == "release" else Differences()


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of Eq. 12, and what the perceptual term sees."""

    l2: float = 10.0
    ssim: float = 1.0
    perceptual: float = 0.1
    offset: float = 0.1
    perceptual_net: Literal["lpips-vgg16", "lpips-alexnet"] = "lpips-vgg16"
    perceptual_max_tap: int = 5  # deepest of the network's five taps that is compared
    perceptual_size: int = 0  # pixels; side of the random crop it sees, 0 for the whole picture


@dataclasses.dataclass(frozen=True)
class CurriculumConfig:
    """Which level of detail a step trains (supplement 8.2): 0, then 1, then a random level, as shares of all steps."""

    level_0_until: float = 0.1
    level_1_until: float = 0.3
    random_shares: tuple[float, float, float] = (0.1, 0.2, 0.7)  # of levels 0, 1, 2 afterwards


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """How training pairs are varied (see omg_jax.data.augment). The paper names no augmentation: none by default.

    A share is one of the changed pairs, most other numbers are ends of ranges; 0 (for zoom: 1) leaves the thing out.
    """

    share: float = 0.0  # of all pairs that are changed at all
    variants: int = 4  # changed looks of each source frame; the backbone's tokens are computed for each
    mirror: float = 0.5  # share; only where the head model is symmetric: FLAME's is not
    exposure: float = 0.15  # gain of all channels, in natural logarithms either way
    white_balance: float = 0.06  # further gain of each channel, likewise
    gamma: float = 0.15  # exponent of the colours, likewise
    saturation: float = 0.25  # likewise
    source_roll: float = 10.0  # degrees either way, in the picture's plane
    source_zoom: float = 1.15
    target_roll: float = 5.0
    target_zoom: float = 1.05
    shape_error: float = 0.0  # millimetres by which landmarks err from which the head's shape was fitted
    rim: float = 0.4  # share of sources whose matte is wrong at the edge, and shows some background there
    occluder: float = 0.2  # share of sources with something in front of the person
    noise: float = 0.02  # standard deviation of the source's noise, of values in [0, 1]
    jpeg: float = 0.3  # share of sources that were a JPEG file of low quality


@dataclasses.dataclass(frozen=True)
class DistributedConfig:
    """How a process finds the others of a run on many machines."""

    mode: Literal["auto", "on", "off"] = "auto"  # auto: where SLURM or a coordinator tells of others
    coordinator: str = ""  # address:port of process 0; empty: JAX finds it, e.g. from SLURM
    num_processes: int | None = None  # with a coordinator
    process_id: int | None = None  # of this process, with a coordinator


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Optimisation and bookkeeping of one run."""

    data: str = ""  # a folder of clips, or a dataset built of one (see omg_jax.data.frame_source)
    output: str = "runs/default"  # folder of checkpoints, logs and pictures
    seed: int = 0
    num_steps: int = 574_697
    batch_size: int = 8  # over all devices
    accumulate: int = 1  # parts of a device's share that are worked through one after another, to save memory
    parallel: Literal["pmap", "shard_map", "single"] = "pmap"  # how a batch is spread over devices
    num_devices: int = 0  # devices of this machine; 0: as many as share the batch evenly
    distributed: DistributedConfig = DistributedConfig()
    window: int = 512  # pixels; side of the target window that is rendered and compared
    learning_rate: float = 1e-4  # inferred: the paper's value is not known
    final_learning_rate_factor: float = 0.1  # linear decay to this share
    warmup_steps: int = 0  # the learning rate first rises linearly over this many steps
    adam_b1: float = 0.0
    adam_b2: float = 0.99
    max_skipped: int = 20  # so many batches in a row whose loss or gradient is not finite end the run
    max_gradient_norm: float = 1.0  # gradients are scaled down to this global norm
    ema_decay: float = 0.999  # of the running mean of the weights, which is what is exported
    init_weights: str = ""  # weights file to start from; ignored when there is a checkpoint to resume from
    loader_threads: int = 2  # threads that decode frames; the batches do not depend on their number
    token_cache_mb: int = 1024  # memory for the frozen backbone's tokens of source frames
    remat: bool = False  # compute the refiner and the perceptual network again in the backward pass, to save memory
    deterministic: bool = False  # the same bits in every run on the same devices; costs a GPU some speed
    checkpoint_every: int = 1000  # steps
    picture_every: int = 500  # steps
    log_every: int = 10  # steps
    profile: tuple[int, int] | None = None  # trace these steps, first and last, into OUTPUT/profile
    validation: str = ""  # held-out clips; the weights that do best on them are kept beside the last ones
    validate_every: int = 1000  # steps
    validation_pairs: int = 24
    augment: AugmentConfig = AugmentConfig()
    curriculum: CurriculumConfig = CurriculumConfig()
    losses: LossConfig = LossConfig()


@dataclasses.dataclass(frozen=True)
class Config:
    """A model and how to train it."""

    name: str
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # see omg_jax.models.precision; auto: bfloat16 on GPUs
    head: str = "arkit"  # "arkit", or "flame:PATH"
