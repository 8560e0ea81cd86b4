"""The paper's switch points and accelerations for a pair, and what a cloud with a schedule of its own needs."""

from obclip_cli.config import Config
from obclip_cli.diffusion.pairs import compose_pair

ONE_SCHEDULE = ((10, "paper_k10"), (5, "paper_k5"))
SWITCH_POINT, SHIFT = 4, 8  # behind LCM-SDXL's 8 steps (arXiv 2510.04153, Table 4)
OWN_SCHEDULE = ((SWITCH_POINT, "paper_lcm"),)


def default_split(pair: str) -> list[str]:
    """Overrides for a pair whose cloud has a schedule of its own, beyond which the default k may lie; else none."""
    has_own = compose_pair(pair).cloud.steps is not None
    return [f"hybrid.switch_point={SWITCH_POINT}", f"hybrid.timestep_shift={SHIFT}"] if has_own else []


def paper_settings(config: Config) -> tuple[tuple[int, str], ...]:
    """(k, preset of configs/cache), the largest k first; those that the cloud's schedule has room for."""
    longest = cloud_steps(config)
    settings = OWN_SCHEDULE if config.pair.cloud.steps else ONE_SCHEDULE
    return tuple((k, preset) for k, preset in settings if k <= longest)


def cloud_steps(config: Config) -> int:
    """Steps of the cloud's whole schedule."""
    return config.pair.cloud.steps or config.hybrid.steps
