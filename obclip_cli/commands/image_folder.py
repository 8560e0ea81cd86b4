"""The folder of `obclip generate`: which images are finished in it, and which were stopped on the way.

image.png, contact_sheet.png    numbered where there are several
summary.json                    settings, versions and hardware, and the facts of every image
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obclip_cli import runs
from obclip_cli.config import Config, plain
from obclip_cli.errors import UserError

if TYPE_CHECKING:
    from obclip_cli.device.client import Picture
    from obclip_cli.prompts.reading import Reading

ELSEWHERE = "choose another folder with -o"


@dataclass(frozen=True)
class Job:
    """One image to make, and what its files are called."""

    prompt: str
    seed: int
    suffix: str
    reading: "Reading | None" = field(default=None, compare=False, repr=False)
    picture: "Picture | None" = field(default=None, compare=False, repr=False)

    @property
    def asked(self) -> dict[str, Any]:
        """What tells it from others, for the summary."""
        like = {} if self.picture is None else {"picture": self.picture.facts}
        return {"prompt": self.prompt, "seed": self.seed, "suffix": self.suffix} | like


def jobs_for(readings: "list[Reading]", seed: int, images: int, picture: "Picture | None" = None) -> list[Job]:
    """`images` jobs a prompt, with seeds seed, seed+1 ...; files are numbered where there are several."""
    pairs = [(reading, seed + offset) for reading in readings for offset in range(images)]
    single = len(pairs) == 1
    return [Job(r.prompt, s, "" if single else f"_{place:03d}", r, picture) for place, (r, s) in enumerate(pairs)]


class ImageFolder:
    """A call's images. Nothing is written before the first of them is begun.

    Args:
        wanted: the files of an image, such as image and contact_sheet, and other facts that it must have.

    Raises:
        UserError: the folder holds images of other settings, prompts or weights, or its summary is broken.
    """

    def __init__(self, folder: Path, config: Config, jobs: list[Job], wanted: set[str]) -> None:
        self.folder, self.config, self.jobs, self.wanted = folder, config, jobs, wanted
        self.weights = runs.pair_weights(config.pair)
        self.made: dict[Job, dict[str, Any]] = {}
        self.stopped: list[dict[str, Any]] = []
        self.environment: dict[str, Any] | None = None
        if (folder / "summary.json").exists():
            self._read(runs.read_json(folder / "summary.json"))

    def _read(self, there: Any) -> None:
        try:
            asked, images = there["asked"], there["images"]
            runs.check_settings(self.folder, there["config"], self.config)
            made = [(Job(row["prompt"], row["seed"], _suffix(row["image"])), row) for row in images]
            other, self.stopped = there["weights"], list(there["stopped"])
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{self.folder} holds a summary.json of another kind; {ELSEWHERE}") from error
        if asked != [job.asked for job in self.jobs]:
            raise UserError(f"{self.folder} holds images of other prompts, seeds or pictures; {ELSEWHERE}")
        if other != self.weights:
            raise UserError(f"{self.folder} holds images of models with other weights; {ELSEWHERE}")
        self.environment = there["environment"]
        for job, row in made:
            files = [row[name] for name in self.wanted & set(row) if isinstance(row[name], str)]
            if self.wanted <= set(row) and all((self.folder / name).exists() for name in files):
                self.made[job] = row

    @property
    def left(self) -> list[Job]:
        """What is to be made."""
        return [job for job in self.jobs if job not in self.made]

    @property
    def images(self) -> list[dict[str, Any]]:
        """The facts of the finished images, in their order."""
        return [self.made[job] for job in self.jobs if job in self.made]

    def add(self, job: Job, facts: dict[str, Any]) -> None:
        """Record a finished image."""
        self.made[job] = facts
        self._write()

    def stop(self, job: Job, part: str, steps: int) -> None:
        """Record an image that was stopped: what was sent for it is sent, although there is no image.

        Args:
            part: what it was at, and after how many steps.
        """
        self.stopped.append({"prompt": job.prompt, "seed": job.seed, "in": part, "steps": steps})
        self._write()

    def _write(self) -> None:
        self.environment = self.environment or runs.environment()
        facts = {
            "config": plain(self.config),
            "environment": self.environment,
            "models": runs.models(self.config),
            "weights": self.weights,
            "asked": [job.asked for job in self.jobs],
            "images": self.images,
            "stopped": self.stopped,
        }
        runs.write_text(self.folder / "summary.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def _suffix(image: str) -> str:
    return image.removeprefix("image").removesuffix(".png")
