"""From a configuration to a run folder: every scheme is played, every attack tried, every guess scored."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from obclip_cli import runs
from obclip_cli.attacks import ATTACKS, Attack
from obclip_cli.attacks.corpus import CAPTIONS
from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.attacks.transcript import read_transcripts
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import Config, taxonomy_path
from obclip_cli.errors import UserError, nearest, require
from obclip_cli.game.play import Game
from obclip_cli.game.published import Publisher
from obclip_cli.game.schemes import Scheme, all_schemes
from obclip_cli.game.scoring import score_run
from obclip_cli.game.users import Users
from obclip_cli.pipeline import load_pipelines
from obclip_cli.prompts.decoys import fewest
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.report.progress import ProgressBar

# λ of the schemes that take one, where the configuration leaves it at 0.
LAMBDA = 0.1
MAX_CANDIDATES = 64
# Making an image is expensive: these attacks see `made` transcripts, and none of controls that differ in words alone.
MADE = ("image-inspection", "latents")


class Arena:
    """Models, users and attacks, loaded once for many schemes.

    Args:
        config: requests ask for no step, as what the server sees depends on none; images are made by all.
        corpus, language_model: for the attacks that learn.
        users: who plays.
        answered: how many requests a scheme are answered over a real wire.
        published: how many users a scheme publish their image.
        made: how many transcripts attacks see that make images of their own.
    """

    def __init__(
        self,
        config: Config,
        *,
        users: Users,
        answered: int,
        published: int = 0,
        made: int = 20,
        corpus: Path | None = None,
        language_model: str | None = None,
    ) -> None:
        require(config.cloud.server is None, "the game needs the cloud in its own process; leave cloud.server out")
        self.config, self.made = config, made
        cloud, self.device = load_pipelines(config.pair)
        played = replace(config, hybrid=replace(config.hybrid, switch_point=0, handover="restart", timestep_shift=0))
        server = CloudServer.of(config, cloud)
        publisher = Publisher(config.pair, config.hybrid, cloud, self.device)
        self.game = Game(played, self.device, server, users, publisher, answered, published)
        self.knowledge = Knowledge(users.taxonomy, config.pair, corpus or CAPTIONS, language_model)
        self._attacks: dict[str, Attack] = {}

    def play(self, name: str, scheme: Scheme, folder: Path) -> Path:
        """Record a scheme into `folder/name`."""
        self.game.play(scheme, folder / name)
        return folder / name

    def attack(self, folder: Path, names: Sequence[str], advance: Callable[[int], None]) -> pd.DataFrame:
        """Try attacks on what was recorded in `folder`: one row an attack."""
        transcripts = read_transcripts(folder)
        parts = []
        for name in names:
            # Kept from scheme to scheme: what an attack has learnt or drawn serves it again.
            attack = self._attacks.setdefault(name, ATTACKS[name](self.knowledge))
            seen = transcripts[: self.made] if name in MADE else transcripts
            parts.append(score_run(folder, seen, {name: attack}))
            advance(1)
        return pd.concat(parts, ignore_index=True)


def users_for(config: Config, *, repeats: int, others: int, templates: int | None = None, rounds: int = 1) -> Users:
    """The users of the pair's taxonomy."""
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    return Users(taxonomy, seed=config.seed, repeats=repeats, others=others, templates=templates, rounds=rounds)


def run_matrix(
    arena: Arena, schemes: dict[str, Scheme], attacks: Sequence[str], folder: Path, progress: ProgressBar
) -> pd.DataFrame:
    """Every attack on every scheme; writes `scores.csv` beside the transcripts, the configuration and environment."""
    runs.start(folder, arena.config)
    advance = progress("attacks", len(schemes) * len(attacks))
    parts = []
    for name, scheme in schemes.items():
        recorded = arena.play(name, scheme, folder)
        tried = [attack for attack in attacks if scheme.answered or attack not in MADE]
        parts.append(arena.attack(recorded, tried, advance).assign(scheme=name, planted_for=scheme.caught_by or ""))
        advance(len(attacks) - len(tried))
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "scheme", table.pop("scheme"))
    runs.write_text(folder / "scores.csv", table.to_csv(index=False))
    return table


def schemes_of(arena: Arena, names: Sequence[str], lambda_: float) -> dict[str, Scheme]:
    """Schemes by name; all where none is named.

    Raises:
        UserError: there is no such scheme, or λ is out of range for the users' prompts.
    """
    someone = next(iter(arena.game.users)).now.candidates
    fewest(len(someone.prompts), lambda_)
    known = all_schemes(arena.device, lambda_ or LAMBDA, MAX_CANDIDATES)
    for name in names:
        if name not in known:
            raise UserError(f"there is no scheme {name}; {nearest(name, known)}")
    return {name: known[name] for name in (names or known)}


def check_attack(name: str) -> str:
    """An attack's name.

    Raises:
        UserError: there is no such attack.
    """
    if name not in ATTACKS:
        raise UserError(f"there is no attack {name}; {nearest(name, [*ATTACKS, 'detection'])}")
    return name
