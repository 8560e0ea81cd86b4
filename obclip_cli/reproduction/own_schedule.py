"""Two settings of Table 4 (arXiv 2510.04153): one schedule for both models, and a cloud with a schedule of its own.

The paper's second cloud is LCM-SDXL, with 8 steps of its own. Other pairs take their own cloud with DPM-Solver at 8
steps in its place.
"""

from dataclasses import replace

from obclip_cli.config import Config, PairConfig
from obclip_cli.diffusion.pairs import compose_pair
from obclip_cli.reproduction.switch_points import SHIFT, SWITCH_POINT

SHARED_PAIR, LCM_PAIR = "sdxl-koala", "lcmsdxl-koala"
STEPS = 8


def shared_schedule(config: Config) -> Config:
    """The same settings, with both models on one schedule; SDXL in the place of LCM-SDXL."""
    if config.pair.cloud.steps is None:
        return config
    pair = config.pair
    found = _with_cloud_of(SHARED_PAIR, pair) if pair.name == LCM_PAIR else _with_steps(None, pair)
    return replace(config, pair=found, hybrid=replace(config.hybrid, timestep_shift=0))


def own_schedule(config: Config) -> Config:
    """The same settings, with the cloud on a schedule of its own; LCM-SDXL in the place of SDXL."""
    if config.pair.cloud.steps is not None:
        return config
    pair = config.pair
    found = _with_cloud_of(LCM_PAIR, pair) if pair.name == SHARED_PAIR else _with_steps(STEPS, pair)
    hybrid = replace(config.hybrid, switch_point=SWITCH_POINT, timestep_shift=SHIFT, handover="restart")
    return replace(config, pair=found, hybrid=hybrid)


def _with_cloud_of(name: str, pair: PairConfig) -> PairConfig:
    """The other pair's cloud in this pair; both are built on one SDXL pipeline, which stays where it is."""
    cloud, here = compose_pair(name).cloud, pair.cloud
    cloud = replace(cloud, path=here.path, revision=here.revision, variant=here.variant, batch=here.batch)
    return replace(pair, name=name, cloud=cloud)


def _with_steps(steps: int | None, pair: PairConfig) -> PairConfig:
    return replace(pair, cloud=replace(pair.cloud, steps=steps))
