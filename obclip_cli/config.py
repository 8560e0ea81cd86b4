"""The typed configuration: what may be set, and within which limits. compose.py composes it."""

import math
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from obclip_cli.errors import UserError, check_choice, check_least, nearest, require
from obclip_cli.resources import data_folder

ORDERS = ("server_first", "client_first")
STRATEGIES = ("auto", "all", "bucket", "dp", "fresh", "none", "replacement", "generalise")
WITH_LAMBDA = ("bucket", "dp", "fresh")
KEYED = ("bucket", "dp")
MAX_EPSILON = 40
MOST_STEPS = 1000  # that models are trained on
RULES = "rules"
HANDOVERS = ("restart", "history")
DTYPES = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32"}
SCHEDULERS = ("dpm_solver", "lcm")
REUSES = ("all", "branch")
REUSE_LAYERS = ("both", "self", "cross")
PIVOTS = ("public", "first")
SKIP_LEVELS = ("encoder", "deep")
QUICK, FULL = "quick", "full"


@dataclass
class Architecture:
    """A UNet's settings, by their names in diffusers, and the length of its text sequence."""

    unet: dict[str, Any]
    text_tokens: int = 77

    @classmethod
    def of(cls, pipeline: Any) -> "Architecture":
        """That of a loaded pipeline of diffusers."""
        return cls(pipeline.unet.config, pipeline.tokenizer.model_max_length)


@dataclass
class ModelConfig:
    """One diffusion model of a pair.

    Attributes:
        path: `package:NAME`, a folder in diffusers' format, or a hub id.
        revision: of the hub repository; null takes the copy on this machine, else the newest.
        variant: which of several weight files, such as fp16.
        unet, unet_revision: a UNet kept apart from the pipeline that it belongs to (LCM-SDXL).
        vae, vae_revision: an autoencoder in place of the pipeline's own, or of one that it lacks.
        scheduler: dpm_solver or lcm.
        steps: length of the model's own schedule where it differs from `hybrid.steps` (LCM: 8).
        guidance_scale: where it differs from the pair's.
        batch: most rows at once, where `cloud.batch` does not say; what fits a GPU of 24 GB with all caches on.
        architecture: what costs are counted on without weights.
        licence: the model's licence by name.
        disk_gb: expected size of the download.
    """

    path: str
    revision: str | None = None
    variant: str | None = None
    unet: str | None = None
    unet_revision: str | None = None
    vae: str | None = None
    vae_revision: str | None = None
    scheduler: str = "dpm_solver"
    steps: int | None = None
    architecture: Architecture | None = None
    guidance_scale: float | None = None
    batch: int = 60
    licence: str = ""
    disk_gb: float | None = None

    def __post_init__(self) -> None:
        check_choice("scheduler", self.scheduler, SCHEDULERS)
        if self.guidance_scale is not None:
            _check_guidance(self.guidance_scale)


@dataclass
class PairConfig:
    """A cloud model and a device model that share a latent space.

    Attributes:
        dtype: float16, bfloat16 or float32, or their short names fp16, bf16, fp32.
        captions, portraits: the datasets that stand for the paper's (`dataset=captions_of_pair`, `portraits_of_pair`).
    """

    name: str
    cloud: ModelConfig
    device: ModelConfig
    taxonomy: str
    guidance_scale: float = 7.0
    dtype: str = "float32"
    judge: str | None = None
    captions: str = "coco"
    portraits: str = "portraits"

    def __post_init__(self) -> None:
        check_choice("pair.dtype", self.dtype, (*DTYPES, *DTYPES.values()))
        self.dtype = DTYPES.get(self.dtype, self.dtype)
        _check_guidance(self.guidance_scale)


def _check_guidance(scale: float) -> None:
    require(0 <= scale < math.inf, f"guidance_scale={scale} must be a finite number, at least 0, such as 7.0")


@dataclass
class HybridConfig:
    """Who runs which of the `steps` (T) denoising steps; the cloud runs `switch_point` (k) of them.

    Attributes:
        order: server_first, or client_first (Fig. 3).
        handover: what goes over with the latent: `restart` nothing, `history` the solver's last prediction too.
        timestep_shift: where the cloud has a schedule of its own, the device begins at step k + shift (Table 4).
        cloud_steps: fewer, larger steps over the cloud's k: how many, evenly, or a list of those that are taken,
            counted from 0. The hand-over stays at k's noise level. null: all k.
        device_steps: the same for the device's part.
    """

    steps: int = 25
    switch_point: int = 10
    order: str = "server_first"
    handover: str = "restart"
    timestep_shift: int = 0
    cloud_steps: Any = None
    device_steps: Any = None

    def __post_init__(self) -> None:
        require(1 <= self.steps <= MOST_STEPS, f"hybrid.steps={self.steps} must lie in 1..{MOST_STEPS}")
        check_choice("hybrid.order", self.order, ORDERS)
        check_choice("hybrid.handover", self.handover, HANDOVERS)
        if self.cloud_steps is not None and self.switch_point > 0:
            step_places("hybrid.cloud_steps", self.cloud_steps, self.switch_point)
        if self.device_steps is not None:
            step_places("hybrid.device_steps", self.device_steps, self.steps)
            require(
                (self.order, self.handover) != ("client_first", "history"),
                "hybrid.device_steps leaves out the step that a history is of; with hybrid.order=client_first use "
                "hybrid.handover=restart",
            )

    @property
    def cloud_passes(self) -> int:
        """How many steps the cloud runs."""
        k = self.switch_point
        return k if self.cloud_steps is None or k == 0 else len(step_places("hybrid.cloud_steps", self.cloud_steps, k))


def step_places(name: str, chosen: Any, count: int) -> tuple[int, ...]:
    """Which of `count` steps, counted from 0, are taken: those of a list, or a number of them, evenly.

    Raises:
        UserError: names the setting and what it may be.
    """
    if type(chosen) is int:
        require(1 <= chosen <= count, f"{name}={chosen} must be a number of steps in 1..{count}, or a list of them")
        return tuple(place * count // chosen for place in range(chosen))
    said = f"{name}={str(chosen).replace(' ', '')}"
    require(
        isinstance(chosen, list | tuple) and len(chosen) > 0 and all(type(place) is int for place in chosen),
        f"{said} must be a number of steps or a list of them, such as 3 or [0,3,6]",
    )
    require(chosen[0] == 0, f"{said} must begin with step 0, where the noise level is that of the latents that come in")
    require(all(a < b for a, b in pairwise(chosen)), f"{said} must increase: each step is taken once, in its order")
    require(chosen[-1] < count, f"{said} must lie in 0..{count - 1}, the steps of this side")
    return tuple(chosen)


@dataclass
class CacheConfig:
    """Server-side accelerations. Points are counted in cloud steps; null is off.

    Attributes:
        reuse: before the cache point, all rows use the attention maps of one pivot row: `all`; or of one pivot a
            branch (conditional, unconditional): `branch`.
        reuse_layers: self, cross or both.
        pivot: whose maps are shared: `public`, a candidate drawn by a hash of the set (null becomes this where there is
            reuse); `first`, the first of the canonical order, which favours its values.
        cache_point: r, from which on attention results are reused.
        refresh: attention is computed again every `refresh` steps after r.
        skip_point: s, from which on down blocks and mid block are not run.
        fresh_conv_in: skipped steps still run conv_in on the current latents.
        skip_every: one of so many steps from s on is whole again; s is 1 where it is not set.
        skip_levels: what is skipped: `encoder` the down blocks and the mid block; `deep` all levels but the outermost.
        order: of the extrapolation of cached results over steps: 0 as they were, 1 along their last difference.
        guidance_every: each row's guidance difference is computed in one of so many steps only.
        trunk: m, the first steps, which run once on the mean of all candidates' prompt embeddings.
        shared_first_step: what is equal for all rows in the first step is computed once; exact.
    """

    name: str = "none"
    reuse: str | None = None
    reuse_layers: str = "both"
    pivot: str | None = None
    cache_point: int | None = None
    refresh: int | None = None
    skip_point: int | None = None
    fresh_conv_in: bool = True
    skip_every: int | None = None
    skip_levels: str = "encoder"
    order: int = 0
    guidance_every: int | None = None
    trunk: int | None = None
    shared_first_step: bool = True

    @property
    def first_skipped(self) -> int | None:
        """The first step that skips blocks; None where none does."""
        return 1 if self.skip_point is None and self.skip_every is not None else self.skip_point

    def __post_init__(self) -> None:
        if self.reuse is not None:
            check_choice("cache.reuse", self.reuse, REUSES)
        if self.pivot is not None:
            check_choice("cache.pivot", self.pivot, PIVOTS)
        self.pivot = None if self.reuse is None else self.pivot or "public"
        check_choice("cache.reuse_layers", self.reuse_layers, REUSE_LAYERS)
        check_choice("cache.skip_levels", self.skip_levels, SKIP_LEVELS)
        least = {"cache_point": 1, "refresh": 1, "skip_point": 1, "skip_every": 2, "guidance_every": 2, "trunk": 1}
        for key, lowest in least.items():
            if getattr(self, key) is not None:
                check_least(f"cache.{key}", getattr(self, key), lowest)
        self._check_caches()

    def _check_caches(self) -> None:
        """Which of the caches need which others."""
        skips, caches = self.first_skipped is not None, self.cache_point is not None
        if self.skip_levels == "deep":
            require(skips, "cache.skip_levels=deep says what is skipped, not when; set cache.skip_point or skip_every")
            require(self.fresh_conv_in, "cache.fresh_conv_in=false has no meaning with cache.skip_levels=deep")
        require(
            self.guidance_every is None or not (skips or caches),
            f"cache.guidance_every={self.guidance_every} leaves out rows whose results the other caches need; "
            "set cache.cache_point, skip_point and skip_every to null",
        )
        require(self.order in (0, 1), f"cache.order={self.order} must be 0 or 1")
        if self.order == 1:
            require(skips or caches, "cache.order=1 extrapolates cached results; set cache.cache_point or skip_point")
            for key, point, again in (
                ("cache.cache_point", self.cache_point, self.refresh),
                ("cache.skip_point", self.first_skipped, self.skip_every),
            ):
                once = f"cache.order=1 needs two whole steps, and {key}={point} has one; make it at least 2"
                require(point is None or point >= 2 or again is not None, once)
        if caches and self.skip_point is not None and self.skip_every is None:
            assert self.cache_point is not None
            why = "skipped steps compute no attention to be cached; make skip_point at least cache_point"
            said = f"cache.skip_point={self.skip_point} lies before cache.cache_point={self.cache_point}"
            require(self.cache_point <= self.skip_point, f"{said}: {why}")

    def at(self, k: int, *, own_schedule: bool = False) -> "CacheConfig":
        """`cache=paper` with the paper's r and s for k steps of the cloud; any other as it is.

        They are printed for k = 5 (r = 3, s = 3) and k = 10 (4, 6) of 25 steps and, for a cloud with a schedule of its
        own, for k = 4 (2, none): arXiv 2510.04153, Sections 5.1 and 5.3. Other k lie on the line through both points.
        """
        if self.name != "paper":
            return self
        if k == 0:
            return CacheConfig()
        r = min(k, 2 if own_schedule else 2 + (2 * k + 5) // 10)
        s = None if own_schedule else min(k, max(r, (6 * k + 5) // 10))
        printed = {(5, False): "paper_k5", (10, False): "paper_k10", (4, True): "paper_lcm"}.get((k, own_schedule))
        given = self.cache_point is not None or self.skip_point is not None
        name = "paper" if given or printed is None else printed
        return replace(self, name=name, cache_point=self.cache_point or r, skip_point=self.skip_point or s)


# Not even the exact one: the model runs as diffusers' own pipeline runs it.
NO_ACCELERATION = CacheConfig(shared_first_step=False)


@dataclass
class PrivacyConfig:
    """How the prompt is hidden.

    Attributes:
        strategy: which candidates are sent: all; bucket, the prompt's block of a keyed split; dp, a keyed Gumbel
            draw; fresh, new decoys each time (a control that leaks); replacement, one other; generalise, the prompt
            without its attributes; none, the prompt itself. auto becomes all at lambda 0, bucket above.
        lambda_: typed as `privacy.lambda`; how much better than 1/N a guess may be, in 0..1 - 1/N.
        epsilon: of `dp`; null takes the largest that keeps lambda.
        detector: rules, or a token-classification model by folder or hub id, merged with the rules.
        secret_file: the client's secret, for bucket and dp; null is the user's folder for configuration.
        on_exposure: what happens where words stay in sight that may reveal who is meant: ask, in a terminal (without
            one, what would go up in the clear is refused and the rest is told); warn; refuse.
        names: of persons in a prompt: keep, warn (they count as exposed), or generalise: the device keeps the name, the
            cloud sees "a person".
    """

    strategy: str = "auto"
    lambda_: float = 0.0
    max_candidates: int = 64
    epsilon: float | None = None
    detector: str = RULES
    secret_file: str | None = None
    on_exposure: str = "ask"
    names: str = "warn"

    def __post_init__(self) -> None:
        """What holds for every prompt; the upper end of lambda depends on the prompt's N."""
        check_choice("privacy.strategy", self.strategy, STRATEGIES)
        check_choice("privacy.on_exposure", self.on_exposure, ("ask", "warn", "refuse"))
        check_choice("privacy.names", self.names, ("keep", "warn", "generalise"))
        said = f"privacy.lambda={self.lambda_}"
        require(0 <= self.lambda_ < 1, f"{said} must lie in 0..1 - 1/N, N being a prompt's candidates")
        if self.strategy == "auto":
            self.strategy = "bucket" if self.lambda_ > 0 else "all"
        if self.lambda_ > 0 and self.strategy not in WITH_LAMBDA:
            useless = f"{said} has no effect on privacy.strategy={self.strategy}"
            raise UserError(f"{useless}; leave it at 0, or choose one of: {', '.join(WITH_LAMBDA)}")
        require(
            self.epsilon is None or (self.strategy == "dp" and 0 <= self.epsilon <= MAX_EPSILON),
            f"privacy.epsilon={self.epsilon} belongs to privacy.strategy=dp and lies in 0..{MAX_EPSILON}",
        )
        check_least("privacy.max_candidates", self.max_candidates, 1)
        require(
            self.detector == RULES or "/" in self.detector or Path(self.detector).is_dir(),
            f"privacy.detector={self.detector} is neither {RULES} nor a folder nor a hub id; "
            f"{nearest(self.detector, [RULES, 'FOLDER', 'OWNER/MODEL'])}",
        )


@dataclass
class CloudConfig:
    """Where the large model is, and how it is run.

    Attributes:
        batch: most rows of a batch that the cloud holds at once; null: what the pair's cloud model says.
        compile: run the large model through torch.compile, once for each kind of step; on CUDA as CUDA graphs.
        server: address of an `obclip serve`, such as https://host:8000; null: the model runs in this process.
    """

    batch: int | None = None
    compile: bool = False
    server: str | None = None


@dataclass
class ScoresConfig:
    """What is scored beside the standing metrics.

    Attributes:
        cloud_draws: how many images of each prompt the cloud alone makes from other noise, for the distance to its own
            distribution (`fid_cloud`); 0: none, and the distance is left empty.
    """

    cloud_draws: int = 0

    def __post_init__(self) -> None:
        require(0 <= self.cloud_draws <= 15, f"scores.cloud_draws={self.cloud_draws} must lie in 0..15")


@dataclass
class NetworksConfig:
    """Where the networks that score are, if not where their libraries put them; no part of a run's identity.

    Attributes:
        inception: the file of Inception-v3's weights that torch-fidelity publishes.
        clip: a file of the weights of OpenCLIP ViT-g/14 (laion2b_s34b_b88k).
        clip_sha256: what that file's SHA-256 must begin with.
    """

    inception: str | None = None
    clip: str | None = None
    clip_sha256: str | None = None


@dataclass
class ServeConfig:
    """How `obclip serve` runs; no part of a run's identity.

    Attributes:
        host, port: where it listens; port 0 takes a free one.
        tls_cert, tls_key: files in PEM format.
        token_file: holds the bearer token; null: the environment's OBCLIP_TOKEN, if any.
        log_prompts: for the attack game only.
        batching: run requests of several clients together, without accelerations.
        queue: requests that may wait.
        deadline_seconds: of one request, waiting included.
        body_seconds, max_body_bytes: how long a request may take to arrive, and how large it may be.
        max_candidates, max_prompt_characters, max_steps: of one request.
        replicas: copies of the model under Ray Serve; 0: this process alone.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    tls_cert: str | None = None
    tls_key: str | None = None
    token_file: str | None = None
    log_prompts: bool = False
    batching: bool = False
    queue: int = 32
    deadline_seconds: float = 300.0
    body_seconds: float = 30.0
    max_body_bytes: int = 1 << 21
    max_candidates: int = 64
    max_prompt_characters: int = 1000
    max_steps: int = 200
    replicas: int = 0


@dataclass
class Config:
    """Everything a run depends on. `dataset` goes to the dataset's own class.

    Attributes:
        size: quick or full: how many prompts an experiment takes where it says both; no part of a run's identity, which
            the number of prompts is.
        experiment: a file of configs/experiment: which methods are compared, and how that becomes a table or figure.
            It is no part of a run's identity; the methods are.
    """

    pair: PairConfig
    dataset: dict[str, Any]
    hybrid: HybridConfig = field(default_factory=HybridConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    cloud: CloudConfig = field(default_factory=CloudConfig)
    scores: ScoresConfig = field(default_factory=ScoresConfig)
    serve: ServeConfig = field(default_factory=ServeConfig)
    networks: NetworksConfig = field(default_factory=NetworksConfig)
    seed: int = 0
    size: str = QUICK
    experiment: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        check_choice("size", self.size, (QUICK, FULL))

    @property
    def rows_at_once(self) -> int:
        """Most rows of a batch that the cloud holds at once; with guidance a candidate has two."""
        return self.pair.cloud.batch if self.cloud.batch is None else self.cloud.batch

    @property
    def cloud_steps(self) -> int:
        """Steps of the cloud's whole schedule."""
        return self.hybrid.steps if self.pair.cloud.steps is None else self.pair.cloud.steps


def plain(config: Config) -> dict[str, Any]:
    """The configuration as it is written to a file, under the names that are typed."""
    result: dict[str, Any] = asdict(config)
    result["privacy"]["lambda"] = result["privacy"].pop("lambda_")
    for chosen in ("captions", "portraits"):  # the dataset that one of them chose is there itself
        del result["pair"][chosen]
    del result["experiment"], result["serve"], result["networks"], result["size"]
    return result


def taxonomy_path(name: str) -> Path:
    """The file of a taxonomy by its name.

    Raises:
        UserError: there is no such taxonomy.
    """
    folder = data_folder("configs") / "privacy" / "taxonomy"
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    require(name in names, f"there is no taxonomy {name}; {nearest(name, names)}")
    return folder / f"{name}.yaml"
