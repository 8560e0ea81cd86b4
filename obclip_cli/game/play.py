"""Play: every user's client sends, the wire is recorded, and the truth goes into a file of its own."""

import hashlib
import random
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from diffusers import DiffusionPipeline

from obclip_cli import runs
from obclip_cli.attacks.published_image import write_image
from obclip_cli.attacks.transcript import Exchange, Transcript, write_transcripts
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import WITH_LAMBDA, Config
from obclip_cli.device.client import Client, Query
from obclip_cli.diffusion.schedule import split
from obclip_cli.game.controls import noised_image
from obclip_cli.game.published import Publisher
from obclip_cli.game.schemes import Scheme
from obclip_cli.game.users import Typed, User, Users
from obclip_cli.game.wire import Wire
from obclip_cli.prompts.decoys import candidate_values

LATER = 1 << 20  # than the seeds of all users


@dataclass(frozen=True)
class Game:
    """What all schemes play with.

    Attributes:
        device: the model that all clients have.
        cloud: answers requests of several prompts over a real wire, for traffic and timing.
        users: who plays, each with secrets of its own.
        publisher: makes the images that are published.
        answered, published: of how many users, the first ones.
    """

    config: Config
    device: DiffusionPipeline
    cloud: CloudServer
    users: Users
    publisher: Publisher
    answered: int
    published: int = 0

    def play(self, scheme: Scheme, folder: Path) -> None:
        """Record every user; writes the transcripts and, apart, `truth.csv`. What was played before is kept."""
        if runs.is_finished(folder, self.config):
            return
        transcripts, truth = [], ["place,bound"]
        with ExitStack() as opened:
            answers = scheme.answered and self.answered
            wire = opened.enter_context(Wire(self.config, self.cloud)) if answers else None
            for user in self.users:
                transcript, bound = self._record(scheme, user, wire if user.number < self.answered else None)
                transcripts.append(transcript)
                truth.append(f"{user.now.candidates.index},{bound}")
        write_transcripts(folder, transcripts)
        runs.write_text(folder / "truth.csv", "\n".join(truth) + "\n")
        runs.mark_finished(folder, self.config)

    def _record(self, scheme: Scheme, user: User, wire: Wire | None) -> tuple[Transcript, float]:
        """What the server sees of one user, and what was promised: 1/N + λ."""
        client, chance = self._client(scheme, user)
        past = tuple(Exchange(_message(client, self._ask(client, scheme, typed, chance))) for typed in user.before)
        query = self._ask(client, scheme, user.now, chance)
        message = _message(client, query)
        if scheme.strength is not None and user.number < self.published:
            secret = replace(query, seed=query.seed + user.number + 1)
            picture = self.publisher.image(secret, k=0)  # what the user has; of its own words, and from other noise
            request = client.request(query)
            message = noised_image(request, picture, self.device, scheme.strength, secret.seed + LATER).to_bytes()
        several = len(query.candidates.prompts) > 1
        seen = wire.recorded(scheme.ask, query, message) if several and wire is not None else Exchange(message)
        shown = scheme.answered and user.number < self.published
        own = user.now.candidates
        promised = query.lambda_ if scheme.privacy.strategy in WITH_LAMBDA else 0.0
        transcript = Transcript(
            candidates=own.prompts,
            attributes=tuple(attribute for _, attribute in own.slots),
            values=candidate_values(own.slots, self.users.taxonomy),
            seen=seen,
            past=past,
            published=write_image(self.publisher.image(query, k=self._cloud_steps(scheme))) if shown else None,
        )
        return transcript, 1 / len(own.prompts) + promised

    def _client(self, scheme: Scheme, user: User) -> tuple[Client, random.Random]:
        """A client with this user's secrets."""
        hybrid = self.config.hybrid
        if (k := self._cloud_steps(scheme)) is not None:
            hybrid = replace(hybrid, switch_point=k)
        secret = f"{self.users.seed} {user.number}"
        key, chance = hashlib.sha256(secret.encode()).digest(), random.Random(secret)
        divided = split(self.config.pair, hybrid)
        return Client(self.device, self.users.taxonomy, divided, scheme.privacy, key, chance), chance

    def _cloud_steps(self, scheme: Scheme) -> int | None:
        return None if scheme.on_cloud is None else round(scheme.on_cloud * self.config.hybrid.steps)

    def _ask(self, client: Client, scheme: Scheme, typed: Typed, chance: random.Random) -> Query:
        """One query. The seed of the noise is public and the same for all, so that it tells nothing."""
        seed = self.config.seed
        if scheme.privacy.strategy == "none":
            return scheme.change(client.prepare(typed.prompt, seed), chance)
        return scheme.change(client.hide(typed.prompt, typed.candidates, seed), chance)


def _message(client: Client, query: Query) -> bytes:
    return client.request(query).to_bytes()
