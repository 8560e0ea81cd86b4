"""The paper's switch points and accelerations for a pair, and what a cloud with a schedule of its own needs."""

from obclip_cli.config import Config

LCM = "lcmsdxl-koala"
ONE_SCHEDULE = ((10, "paper_k10"), (5, "paper_k5"))
OWN_SCHEDULE = ((4, "paper_lcm"),)


def default_split(pair: str) -> list[str]:
    """Overrides without which the default k lies beyond the LCM cloud's 8 steps (arXiv 2510.04153, Table 4)."""
    return ["hybrid.switch_point=4", "hybrid.timestep_shift=8"] if pair == LCM else []


def paper_settings(config: Config) -> tuple[tuple[int, str], ...]:
    """(k, preset of configs/cache), the largest k first; those that the cloud's schedule has room for."""
    longest = cloud_steps(config)
    settings = OWN_SCHEDULE if config.pair.cloud.steps else ONE_SCHEDULE
    return tuple((k, preset) for k, preset in settings if k <= longest)


def cloud_steps(config: Config) -> int:
    """Steps of the cloud's whole schedule."""
    return config.pair.cloud.steps or config.hybrid.steps
