"""What a configuration may hold: errors that name the key and what is allowed."""

from pathlib import Path

from obclip_cli.config import (
    HANDOVERS,
    MAX_EPSILON,
    ORDERS,
    REUSE_LAYERS,
    REUSES,
    RULES,
    SCHEDULERS,
    STRATEGIES,
    WITH_LAMBDA,
    CacheConfig,
    Config,
    PrivacyConfig,
)
from obclip_cli.errors import UserError, nearest


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


def _check_choice(key: str, value: str, options: tuple[str, ...]) -> None:
    if value not in options:
        raise UserError(f"{key}={value} is not known; {nearest(value, options)}")
