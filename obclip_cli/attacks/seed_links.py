"""Which requests are of one client, where nothing else tells: those that keep one seed of the noise.

A seed that everybody uses links nobody, one of a client's own links all its edits.
"""

from collections import defaultdict
from collections.abc import Sequence

from obclip_cli.attacks.transcript import Exchange


def linked(exchanges: Sequence[Exchange]) -> list[list[int]]:
    """Places of the requests that share a seed, in groups, the first request's group first."""
    groups: dict[int, list[int]] = defaultdict(list)
    for place, exchange in enumerate(exchanges):
        groups[exchange.request.noise_seed].append(place)
    return list(groups.values())


def pairs_found(groups: Sequence[Sequence[int]], clients: Sequence[int]) -> tuple[float, float]:
    """Of all pairs of requests of one client, the share that is in one group (recall); of all pairs in one group, the
    share that is of one client (precision)."""
    own = {(a, b) for a in range(len(clients)) for b in range(a) if clients[a] == clients[b]}
    said = {(max(a, b), min(a, b)) for group in groups for a in group for b in group if a != b}
    both = len(own & said)
    return both / len(own) if own else float("nan"), both / len(said) if said else float("nan")
