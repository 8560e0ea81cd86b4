"""The methods that an evaluation compares, and their names, by which tables, claims and the paper's rows are joined."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from obclip_cli.cloud.accelerate import are_exact
from obclip_cli.compose import check
from obclip_cli.config import NO_ACCELERATION, CacheConfig, Config, HybridConfig
from obclip_cli.errors import require

CLOUD_ONLY, DEVICE_ONLY, VANILLA = "cloud-only", "device-only", "vanilla OG"
HYBRID_SD, OBCLIP, GENERALISE = "Hybrid SD", "ObCLIP", "generalise"


@dataclass(frozen=True)
class Method:
    """One way to make the images: who runs which steps, and which words the cloud sees.

    Attributes:
        hidden: the cloud sees the canonical candidate among N (ObCLIP), not the user's words.
        cache: the cloud's accelerations.
        handover: restart or history.
        timestep_shift: for a cloud with a schedule of its own.
        cloud_steps, device_steps: fewer, larger steps on either side, as in `HybridConfig`.
        general: the cloud sees the prompt without its attributes.
    """

    name: str
    order: str
    switch_point: int
    hidden: bool = False
    cache: CacheConfig = field(default_factory=lambda: NO_ACCELERATION)
    handover: str = "restart"
    timestep_shift: int = 0
    cloud_steps: Any = None
    device_steps: Any = None
    general: bool = False

    def hybrid(self, steps: int) -> HybridConfig:
        """Who runs which of `steps` steps."""
        thinned = self.cloud_steps, self.device_steps
        return HybridConfig(steps, self.switch_point, self.order, self.handover, self.timestep_shift, *thinned)


def method_name(method: str, switch_point: int | None = None, acceleration: str = "") -> str:
    """As in "ObCLIP, k=10, cache+reuse"."""
    k = "" if switch_point is None else f"k={switch_point}"
    return ", ".join(filter(None, (method, k, acceleration)))


def both_ends(config: Config) -> list[Method]:
    """The large model alone and the small model alone."""
    return [
        Method(CLOUD_ONLY, "server_first", config.cloud_steps),
        Method(DEVICE_ONLY, "server_first", 0),
    ]


def split_method(
    config: Config, switch_point: int, *, hidden: bool, acceleration: str = "", cache: CacheConfig = NO_ACCELERATION
) -> Method:
    """ObCLIP where the prompt is hidden, else Hybrid SD: the configured order, hand-over and shift at one split.

    Args:
        acceleration: what its name calls the caches.
    """
    name = method_name(OBCLIP if hidden else HYBRID_SD, switch_point, acceleration)
    hybrid = config.hybrid
    how = hybrid.handover, hybrid.timestep_shift, hybrid.cloud_steps, hybrid.device_steps
    return Method(name, hybrid.order, switch_point, hidden, cache, *how)


def configured_method(config: Config) -> Method:
    """The one method that the settings hybrid, cache and privacy describe."""
    cache = config.cache
    acceleration = cache.name if cache.name != "none" else "cache" if changes_images(cache) else ""
    acceleration = acceleration or ("fewer steps" if leaves_steps_out(config.hybrid) else "")
    hidden = config.privacy.strategy != "none"
    return split_method(config, config.hybrid.switch_point, hidden=hidden, acceleration=acceleration, cache=cache)


def baselines_and_obclip(
    config: Config, switch_points: tuple[int, ...] = (), caches: Mapping[int, CacheConfig] | None = None
) -> list[Method]:
    """Both ends, then Hybrid SD, ObCLIP, and ObCLIP with the configured caches and larger steps at each split.

    With privacy=none nothing is hidden, so that Hybrid SD has the caches and ObCLIP no rows.

    Args:
        switch_points: the configured one unless given.
        caches: of each switch point; the configured one unless given.

    Raises:
        UserError: the schedule or the caches do not allow one of them.
    """
    points = dict.fromkeys(switch_points or (config.hybrid.switch_point,))
    caches = caches or {}
    at = [
        replace(config, hybrid=replace(config.hybrid, switch_point=k), cache=caches.get(k, config.cache))
        for k in points
    ]
    for one in at:
        check(one)
    whole = replace(config, hybrid=replace(config.hybrid, cloud_steps=None, device_steps=None))
    hidden = config.privacy.strategy != "none"
    require(
        not hidden or config.hybrid.order == "server_first",
        "hybrid.order=client_first sends a latent that the prompt has shaped; add privacy=none to score it",
    )
    return [
        *both_ends(config),
        *(split_method(whole, k, hidden=False) for k in points),
        *(split_method(whole, k, hidden=True) for k in points if hidden),
        *(configured_method(one) for one in at if changes_images(one.cache) or leaves_steps_out(one.hybrid)),
    ]


def leaves_steps_out(hybrid: HybridConfig) -> bool:
    """Whether either side takes fewer, larger steps."""
    return hybrid.cloud_steps is not None or hybrid.device_steps is not None


def changes_images(cache: CacheConfig) -> bool:
    """Whether any acceleration is on but the exact one."""
    return not are_exact(cache)


def is_cloud_only(method: Method, config: Config) -> bool:
    """Whether the large model runs every step on the user's own words, as it is."""
    whole = method.switch_point == config.cloud_steps and method.cloud_steps is None
    return whole and not method.hidden and not changes_images(method.cache)
