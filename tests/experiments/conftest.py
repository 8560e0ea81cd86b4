"""All experiments on a tiny random pair, run once by the command line; every test reads what they wrote."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

from obclip_cli.attacks.corpus import CAPTIONS, PROMPTS, read_corpus
from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.main import run
from obclip_cli.reproduction.claims import Claim
from obclip_cli.reproduction.contrast_claims import contrast_claims
from obclip_cli.reproduction.experiment import module_of

SMALL = {"rounds": 1, "answered": 10, "published": 3, "made": 3, "images": 10, "most_queries": 3}  # of the games
SMALL |= {"lambdas": "[0.1,0.9]", "sweep_templates": 2, "templates": 3, "repeats": 3, "others": 3}
FAST = ["hybrid.steps=12", "dataset.limit=3", *(f"++experiment.plays.{key}={size}" for key, size in SMALL.items())]
FEW = {"rounds": 2, "few": 1, "guidance": "[2]", "peers": "[]", "counted_for": 3, "strengths": "[0.9,0.6]"}
FEW |= {"choice.prompts": "{2: 1}", "growth.candidates": "[2,3]"}
FAST += [f"++experiment.{key}={value}" for key, value in FEW.items()]  # of cost against fidelity, and of pictures


@dataclass(frozen=True)
class Reproduced:
    """What `obclip reproduce` wrote.

    Attributes:
        overrides: what was typed.
    """

    folder: Path
    overrides: list[str]

    def config(self, name: str) -> Config:
        """What an experiment was run with."""
        return compose_config([f"experiment={name}", *self.overrides])

    def elsewhere(self, name: str, folder: Path) -> "Reproduced":
        """One that is run by name only, in a folder of its own: other tables look for what it writes."""
        reproduce([name, "-o", str(folder), *self.overrides])
        return Reproduced(folder, self.overrides)

    def table(self, name: str) -> pd.DataFrame:
        """NAME.csv."""
        return pd.read_csv(self.folder / f"{name}.csv")

    def claims(self, name: str) -> list[Claim]:
        """Those of the YAML file, then the others."""
        config = self.config(name)
        module = module_of(config)
        own = module.claims(config, self.folder) if hasattr(module, "claims") else []
        return [*contrast_claims(config, self.folder), *own]


@pytest.fixture(scope="session")
def reproduced(tiny_pair: list[str], shared_folder: Path) -> Reproduced:
    """`obclip reproduce` of everything; of several test processes the first one runs it."""
    corpora = {name: shared_folder / f"{name}.txt" for name in ("captions", "prompts")}
    texts = [f"++experiment.plays.corpora.{name}={path}" for name, path in corpora.items()]
    folder, overrides = shared_folder / "reproduced", [*tiny_pair, *FAST, *texts]
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            for whole, path in zip((CAPTIONS, PROMPTS), corpora.values(), strict=True):
                path.write_text("\n".join(read_corpus(whole)[:100]))
            reproduce(["-o", str(folder), *overrides])
    return Reproduced(folder, overrides)


def reproduce(arguments: list[str]) -> None:
    """Run the command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("obclip_cli.reproduction.score_table.ROUNDS", 1)
        patch.setattr("experiments.table2.ROUNDS", 2)
        patch.setattr("sys.argv", ["obclip", "reproduce", *arguments])
        try:
            run()
        except SystemExit as stop:
            assert not stop.code
