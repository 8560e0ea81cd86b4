"""The typed configuration: what may be set, how it is composed, and errors that name the nearest valid key."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from obclip_cli.errors import UserError
from obclip_cli.resources import data_folder

ORDERS = ("server_first", "client_first")
# `auto` becomes `all` at lambda 0 and `bucket` above.
STRATEGIES = ("auto", "all", "bucket", "dp", "fresh", "none", "replacement")
WITH_LAMBDA = ("bucket", "dp", "fresh")
KEYED = ("bucket", "dp")
MAX_EPSILON = 40
RULES = "rules"
HANDOVERS = ("restart", "history")
SCHEDULERS = ("dpm_solver", "lcm")
REUSES = ("all", "branch")
REUSE_LAYERS = ("both", "self", "cross")
# Names of fields that Python keeps for itself.
KEYWORDS = {"lambda": "lambda_"}


@dataclass
class ModelConfig:
    """One diffusion model of a pair.

    Attributes:
        path: `package:NAME`, a folder in diffusers' format, or a hub id.
        revision: of the hub repository; null takes the copy on this machine, else the newest.
        variant: which of several weight files, such as fp16.
        unet, unet_revision: a UNet kept apart from the pipeline that it belongs to (LCM-SDXL).
        scheduler: dpm_solver or lcm.
        steps: length of the model's own schedule where it differs from `hybrid.steps` (LCM: 8).
        guidance_scale: where it differs from the pair's.
        batch: most rows at once, where `cloud.batch` does not say; what fits a GPU of 24 GB with all caches on.
        architecture: a file of configs/pair/architecture, from which costs are counted without weights.
        licence: the model's licence by name.
        disk_gb: expected size of the download.
    """

    path: str
    revision: str | None = None
    variant: str | None = None
    unet: str | None = None
    unet_revision: str | None = None
    scheduler: str = "dpm_solver"
    steps: int | None = None
    architecture: str | None = None
    guidance_scale: float | None = None
    batch: int = 60
    licence: str = ""
    disk_gb: float | None = None


@dataclass
class PairConfig:
    """A cloud model and a device model that share a latent space."""

    name: str
    cloud: ModelConfig
    device: ModelConfig
    taxonomy: str
    guidance_scale: float = 7.0
    dtype: str = "float32"
    judge: str | None = None


@dataclass
class HybridConfig:
    """Who runs which of the `steps` (T) denoising steps; the cloud runs `switch_point` (k) of them.

    Attributes:
        order: server_first, or client_first (Fig. 3).
        handover: what goes over with the latent: `restart` nothing, `history` the solver's last prediction too.
        timestep_shift: where the cloud has a schedule of its own, the device begins at step k + shift (Table 4).
    """

    steps: int = 25
    switch_point: int = 10
    order: str = "server_first"
    handover: str = "restart"
    timestep_shift: int = 0


@dataclass
class CacheConfig:
    """Server-side accelerations. Points are counted in cloud steps; null is off.

    Attributes:
        reuse: before the cache point, all rows use the attention maps of one pivot row: `all`; or of one pivot a
            branch (conditional, unconditional): `branch`.
        reuse_layers: self, cross or both.
        cache_point: r, from which on attention results are reused.
        refresh: attention is computed again every so many steps after r.
        skip_point: s, from which on down blocks and mid block are not run.
        fresh_conv_in: skipped steps still run conv_in on the current latents.
        shared_first_step: what is equal for all rows in the first step is computed once; exact.
    """

    name: str = "none"
    reuse: str | None = None
    reuse_layers: str = "both"
    cache_point: int | None = None
    refresh: int | None = None
    skip_point: int | None = None
    fresh_conv_in: bool = True
    shared_first_step: bool = True


# Not even the exact one: the model runs as diffusers' own pipeline runs it.
NO_ACCELERATION = CacheConfig(shared_first_step=False)


@dataclass
class PrivacyConfig:
    """How the prompt is hidden.

    Attributes:
        strategy: which candidates are sent: all; bucket, the prompt's block of a keyed split; dp, a keyed Gumbel
            draw; fresh, new decoys each time (a control that leaks); replacement, one other; none, the prompt itself.
            auto: all at lambda 0, bucket above.
        lambda_: key `privacy.lambda`; how much better than 1/N a guess may be, in 0..1 - 1/N.
        epsilon: of `dp`; null takes the largest that keeps lambda.
        detector: rules, or a token-classification model by folder or hub id, merged with the rules.
        secret_file: the client's secret, for bucket and dp; null is the user's folder for configuration.
    """

    strategy: str = "auto"
    lambda_: float = 0.0
    max_candidates: int = 64
    epsilon: float | None = None
    detector: str = RULES
    secret_file: str | None = None


@dataclass
class CloudConfig:
    """`batch`: most rows of a batch that the cloud holds at once; null: what the pair's cloud model says."""

    batch: int | None = None


@dataclass
class Config:
    """Everything a run depends on. `dataset` goes to the dataset's own class."""

    pair: PairConfig
    dataset: dict[str, Any]
    hybrid: HybridConfig = field(default_factory=HybridConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    cloud: CloudConfig = field(default_factory=CloudConfig)
    seed: int = 0

    @property
    def rows_at_once(self) -> int:
        """Most rows of a batch that the cloud holds at once; with guidance a candidate has two."""
        return self.pair.cloud.batch if self.cloud.batch is None else self.cloud.batch


def compose_config(overrides: Iterable[str] = ()) -> Config:
    """Compose `configs/config.yaml` with Hydra overrides and check it.

    Raises:
        UserError: an unknown key or group, a value of the wrong type or out of range.
    """
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(data_folder("configs")), version_base="1.3"):
            composed = compose("config", overrides=[normalise_override(o) for o in overrides])
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_explain(error)) from error
    return typed(composed)


def normalise_override(override: str) -> str:
    """Check the form KEY=VALUE and that a group's option exists."""
    key, equals, value = override.partition("=")
    if not equals:
        raise UserError(f'"{override}" is not an override; write group.key=value, as in hybrid.switch_point=5')
    group = data_folder("configs") / key
    if group.is_dir():
        options = sorted(path.stem for path in group.glob("*.yaml"))
        if value not in options:
            raise UserError(f"there is no {key} {value}; {nearest(value, options)}")
        return override
    return f"++{override}" if _is_setting(key) else override


def _is_setting(key: str) -> bool:
    """Whether a key is in the schema, which a file need not spell out; datasets have keys of their own.

    Raises:
        UserError: it looks like one of the schema and is not.
    """
    section: type = Config
    done = ""
    for name in key.split("."):
        hints = get_type_hints(section) if is_dataclass(section) else {}
        if not hints or not name.isidentifier():  # inside `dataset`, or Hydra's own +key, ~key, group@place
            return False
        known = _typed_names(section)
        if name not in known:
            raise UserError(f"there is no setting {done}{name}; {nearest(name, known)}")
        section, done = hints[KEYWORDS.get(name, name)], f"{done}{name}."
    return not is_dataclass(section)


def _typed_names(section: type) -> list[str]:
    """A section's keys as they are typed."""
    return [next((typed for typed, field in KEYWORDS.items() if field == f.name), f.name) for f in fields(section)]


def typed(composed: DictConfig) -> Config:
    """Turn a composed configuration into a checked `Config`."""
    plain = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(plain, dict)
    _check_keys(plain, Config, "")
    for old, new in KEYWORDS.items():
        if old in plain["privacy"]:
            plain["privacy"][new] = plain["privacy"].pop(old)
    try:
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), plain))
    except OmegaConfBaseException as error:
        raise UserError(_explain(error)) from error
    assert isinstance(config, Config)
    check(config)
    if config.privacy.strategy == "auto":
        config.privacy.strategy = "bucket" if config.privacy.lambda_ > 0 else "all"
    return config


def plain(config: Config) -> dict[str, Any]:
    """The configuration as it is written to a file, under the names that are typed."""
    container = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(container, dict)
    result: dict[str, Any] = {str(key): value for key, value in container.items()}
    result["privacy"]["lambda"] = result["privacy"].pop("lambda_")
    return result


def check(config: Config) -> None:
    """Refuse values out of range.

    Raises:
        UserError: names the key and what is allowed.
    """
    hybrid, cache, privacy = config.hybrid, config.cache, config.privacy
    _check_hybrid(config)
    _check_cache(cache, hybrid.switch_point)
    _check_privacy(privacy)
    if config.rows_at_once < 2:
        raise UserError(
            f"cloud.batch={config.rows_at_once} must be at least 2: a candidate has a conditional and an "
            "unconditional row"
        )
    if not 0 <= config.seed < 2**63:
        raise UserError(f"seed={config.seed} must be a whole number from 0 to 2^63-1")


def _check_privacy(privacy: PrivacyConfig) -> None:
    """What holds for every prompt; the upper end of lambda depends on the prompt's N."""
    _check_choice("privacy.strategy", privacy.strategy, STRATEGIES)
    if not 0 <= privacy.lambda_ < 1:
        raise UserError(f"privacy.lambda={privacy.lambda_} must lie in 0..1 - 1/N, N being a prompt's candidates")
    if privacy.lambda_ > 0 and privacy.strategy not in ("auto", *WITH_LAMBDA):
        raise UserError(
            f"privacy.lambda={privacy.lambda_} has no effect on privacy.strategy={privacy.strategy}; "
            f"leave it at 0, or choose one of: {', '.join(WITH_LAMBDA)}"
        )
    if privacy.epsilon is not None and (privacy.strategy != "dp" or not 0 <= privacy.epsilon <= MAX_EPSILON):
        raise UserError(
            f"privacy.epsilon={privacy.epsilon} belongs to privacy.strategy=dp and lies in 0..{MAX_EPSILON}"
        )
    if privacy.max_candidates < 1:
        raise UserError(f"privacy.max_candidates={privacy.max_candidates} must be at least 1")
    if privacy.detector != RULES and "/" not in privacy.detector and not Path(privacy.detector).is_dir():
        raise UserError(
            f"privacy.detector={privacy.detector} is neither {RULES} nor a folder nor a hub id; "
            f"{nearest(privacy.detector, [RULES, 'FOLDER', 'OWNER/MODEL'])}"
        )


def _check_hybrid(config: Config) -> None:
    hybrid, cloud = config.hybrid, config.pair.cloud
    if hybrid.steps < 1:
        raise UserError(f"hybrid.steps={hybrid.steps} must be at least 1")
    longest, key = (hybrid.steps, "hybrid.steps") if cloud.steps is None else (cloud.steps, "pair.cloud.steps")
    if not 0 <= hybrid.switch_point <= longest:
        raise UserError(f"hybrid.switch_point={hybrid.switch_point} must lie in 0..{longest} ({key})")
    _check_choice("hybrid.order", hybrid.order, ORDERS)
    _check_choice("hybrid.handover", hybrid.handover, HANDOVERS)
    for side, model in (("cloud", cloud), ("device", config.pair.device)):
        _check_choice(f"pair.{side}.scheduler", model.scheduler, SCHEDULERS)
    if cloud.steps is None and hybrid.timestep_shift != 0:
        raise UserError(
            f"hybrid.timestep_shift={hybrid.timestep_shift} needs a cloud with a schedule of its own "
            "(pair.cloud.steps, as in pair=lcmsdxl-koala); leave it at 0"
        )
    if cloud.steps is not None and hybrid.order == "client_first":
        raise UserError("hybrid.order=client_first needs one schedule for both models; leave pair.cloud.steps at null")
    if "lcm" in (cloud.scheduler, config.pair.device.scheduler) and hybrid.handover == "history":
        raise UserError("hybrid.handover=history is DPM-Solver++'s; with an LCM scheduler use hybrid.handover=restart")
    start = hybrid.switch_point + hybrid.timestep_shift
    if not 0 <= start <= hybrid.steps:
        raise UserError(
            f"hybrid.timestep_shift={hybrid.timestep_shift} puts the device at step {start} of {hybrid.steps}"
        )


def _check_cache(cache: CacheConfig, switch_point: int) -> None:
    if cache.reuse is not None:
        _check_choice("cache.reuse", cache.reuse, REUSES)
    _check_choice("cache.reuse_layers", cache.reuse_layers, REUSE_LAYERS)
    for key, point in (("cache_point", cache.cache_point), ("skip_point", cache.skip_point)):
        if point is not None and not 1 <= point <= switch_point:
            raise UserError(f"cache.{key}={point} must lie in 1..{switch_point} (hybrid.switch_point), or be null")
    if cache.cache_point and cache.skip_point and cache.skip_point < cache.cache_point:
        raise UserError(
            f"cache.skip_point={cache.skip_point} lies before cache.cache_point={cache.cache_point}: skipped steps "
            "compute no attention to be cached; make skip_point at least cache_point"
        )
    if cache.refresh is not None and cache.refresh < 1:
        raise UserError(f"cache.refresh={cache.refresh} must be at least 1, or null")


def taxonomy_path(name: str) -> Path:
    """The file of a taxonomy by its name.

    Raises:
        UserError: there is no such taxonomy.
    """
    folder = data_folder("configs") / "privacy" / "taxonomy"
    path = folder / f"{name}.yaml"
    if not path.exists():
        raise UserError(f"there is no taxonomy {name}; {nearest(name, sorted(p.stem for p in folder.glob('*.yaml')))}")
    return path


def nearest(word: str, options: Iterable[str]) -> str:
    """A hint: the closest option, or all of them."""
    options = list(options)
    close = difflib.get_close_matches(word, options, n=1)
    return f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(options)}"


def _check_choice(key: str, value: str, options: tuple[str, ...]) -> None:
    if value not in options:
        raise UserError(f"{key}={value} is not known; {nearest(value, options)}")


def _check_keys(values: dict[Any, Any], schema: type, prefix: str) -> None:
    """Every key must be in the schema; `dataset` is checked by its own class."""
    hints = get_type_hints(schema)
    known = _typed_names(schema)
    for key, value in values.items():
        if key not in known:
            raise UserError(f"there is no setting {prefix}{key}; {nearest(str(key), known)}")
        inner = hints.get(KEYWORDS.get(key, key))
        if isinstance(value, dict) and isinstance(inner, type) and is_dataclass(inner):
            _check_keys(value, inner, f"{prefix}{key}.")


def _explain(error: Exception) -> str:
    """The one line of a Hydra or OmegaConf error that a user needs."""
    text = str(error)
    if found := re.search(r"Could not override '([^']+)'", text):
        return f"there is no setting {found[1]}; `obclip generate --cfg` lists all"
    if found := re.search(r"Value '([^']*)'.*could not be converted to (\w+)", text):
        key = re.search(r"full_key: (\S+)", text)
        return f"{key[1] if key else 'a setting'}={found[1]} must be a {found[2].lower()}"
    return text.strip().splitlines()[0]
