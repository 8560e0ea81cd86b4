"""Which methods an evaluation compares."""

from dataclasses import dataclass, field, replace

from obclip_cli.config import NO_ACCELERATION, CacheConfig, Config, HybridConfig


@dataclass(frozen=True)
class Method:
    """One way to make the images: who runs which steps, and which words the cloud sees.

    Attributes:
        hidden: the cloud sees the canonical candidate among N (ObCLIP), not the user's words.
        cache: the cloud's accelerations.
        handover: restart or history.
        timestep_shift: for a cloud with a schedule of its own.
    """

    name: str
    order: str
    switch_point: int
    hidden: bool = False
    cache: CacheConfig = field(default_factory=lambda: NO_ACCELERATION)
    handover: str = "restart"
    timestep_shift: int = 0

    def hybrid(self, steps: int) -> HybridConfig:
        """Who runs which of `steps` steps."""
        return HybridConfig(steps, self.switch_point, self.order, self.handover, self.timestep_shift)


def baselines_and_obclip(config: Config, switch_points: tuple[int, ...] = (5, 10)) -> list[Method]:
    """The rows of the paper's Table 3: both ends, Hybrid SD, ObCLIP, and ObCLIP with the configured caches at k.

    With privacy=none there is nothing hidden, so the rows of ObCLIP are left out.
    """
    hybrid, cache = config.hybrid, config.cache
    longest = _longest(config)
    ours = _ours(config)
    hidden = [replace(ours, name=f"ObCLIP, k={k}", switch_point=k) for k in switch_points if k <= longest]
    methods = [
        *both_ends(config),
        *[replace(method, name=method.name.replace("ObCLIP", "Hybrid SD"), hidden=False) for method in hidden],
        *hidden,
    ]
    if (cache.reuse, cache.cache_point, cache.skip_point) != (None, None, None):
        name = f"ObCLIP, k={hybrid.switch_point}, {'cache' if cache.name == 'none' else cache.name}"
        methods.append(replace(ours, name=name, switch_point=hybrid.switch_point, cache=cache))
    return methods if ours.hidden else [method for method in methods if not method.name.startswith("ObCLIP")]


def both_ends(config: Config) -> list[Method]:
    """The large model alone and the small model alone."""
    return [
        Method("cloud-only", "server_first", _longest(config)),
        Method("device-only", "server_first", 0),
    ]


def configured_method(config: Config) -> Method:
    """The one method that the settings hybrid, cache and privacy describe."""
    ours = _ours(config)
    name = f"{'ObCLIP' if ours.hidden else 'Hybrid SD'}, k={config.hybrid.switch_point}"
    order, k = config.hybrid.order, config.hybrid.switch_point
    return replace(ours, name=name, order=order, switch_point=k, cache=config.cache)


def is_cloud_only(method: Method, config: Config) -> bool:
    """Whether the large model runs every step on the user's own words, as it is."""
    plain = (method.cache.reuse, method.cache.cache_point, method.cache.skip_point) == (None, None, None)
    return method.switch_point == _longest(config) and not method.hidden and plain


def _ours(config: Config) -> Method:
    hybrid = config.hybrid
    hidden = config.privacy.strategy != "none"
    return Method("ObCLIP", "server_first", 0, hidden, handover=hybrid.handover, timestep_shift=hybrid.timestep_shift)


def _longest(config: Config) -> int:
    return config.pair.cloud.steps or config.hybrid.steps
