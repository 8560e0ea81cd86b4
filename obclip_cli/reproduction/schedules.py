"""The paper's switch point where a pair's cloud has a schedule of its own, which the default lies beyond."""

OWN = {"lcmsdxl-koala": ["hybrid.switch_point=4", "hybrid.timestep_shift=8"]}


def schedule(pair: str) -> list[str]:
    """Overrides for a pair (arXiv 2510.04153, Table 4); none where both models follow one schedule."""
    return OWN.get(pair, [])
