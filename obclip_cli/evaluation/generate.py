"""Generate a dataset with several methods from the same noise.

A candidate's latent does not depend on the other candidates unless an acceleration mixes rows (shared attention
maps). So for scores the cloud computes only the rows that are kept, many prompts at once; what all N would cost is
counted, not run. Where rows are mixed the whole candidate set runs; where they only share a pivot's attention maps, the
pivot and the row that is kept. `tests/evaluation/test_generate.py` checks that all of them give the images of the whole
scheme.
"""

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import TypeAlias

import torch
from diffusers import DiffusionPipeline

from obclip_cli.cloud.accelerate import accelerations, are_exact, attached
from obclip_cli.cloud.accelerate.pivot_attention import PivotAttention, pivot_place
from obclip_cli.cloud.server import CloudServer, stretch_of
from obclip_cli.config import CacheConfig, Config, PairConfig, taxonomy_path
from obclip_cli.cost.macs import run_macs
from obclip_cli.data import Sample
from obclip_cli.device.remote import RemoteCloud, served
from obclip_cli.diffusion.architectures import Architecture
from obclip_cli.diffusion.denoise import State, StepContext, Stretch, decode, denoise, denoise_by_step
from obclip_cli.diffusion.schedule import Split, split
from obclip_cli.errors import UserError
from obclip_cli.evaluation.methods import Method
from obclip_cli.pipeline import load_pipelines, load_remote
from obclip_cli.prompts.attribute_free import without_attributes
from obclip_cli.prompts.candidates import CandidateSet
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.protocol import CloudRequest, CloudResponse
from obclip_cli.report.progress import ProgressBar

Progress = Callable[[int], None]
Cloud: TypeAlias = "DiffusionPipeline | RemoteCloud"


@dataclass(frozen=True)
class Pair:
    """Both loaded models, their schedule, the cloud's batch and whether it compiles; `cloud` may be a `RemoteCloud`."""

    cloud: DiffusionPipeline
    device: DiffusionPipeline
    config: PairConfig
    steps: int
    batch: int
    compiles: bool = False

    def split(self, method: Method) -> Split:
        """Which side runs which steps."""
        return split(self.config, method.hybrid(self.steps))

    def macs(self, method: Method, candidates: int) -> tuple[int, int]:
        """(cloud, device) multiply-accumulates of one image with `candidates` rows on the cloud."""
        rows = candidates if method.hidden else 1
        models = self._cloud_architecture(), Architecture.of(self.device)
        on_cloud, on_device = run_macs(
            *models, self.split(method), cache=method.cache, candidates=rows, batch=self.batch
        )
        return sum(step.total for step in on_cloud), sum(step.total for step in on_device)

    def release(self) -> None:
        """Give the memory of both models back; costs are still counted from what remains."""
        for pipeline in (self.cloud, self.device):
            for module in () if isinstance(pipeline, RemoteCloud) else pipeline.components.values():
                if isinstance(module, torch.nn.Module):
                    torch.nn.Module.to(module, "meta")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _cloud_architecture(self) -> Architecture:
        if isinstance(self.cloud, RemoteCloud):
            return served(self.cloud.offer(self.config.cloud.steps or self.steps))[0]
        return Architecture.of(self.cloud)


@dataclass(frozen=True)
class _Ending:
    """What the second model runs: prompts, steps, and whether it takes the solver's history."""

    words: tuple[str, ...]
    reached: int
    stretch: Stretch
    history: bool


@dataclass
class _Way:
    """What the first model runs from z_T, shared by all methods that differ only later."""

    first: Cloud
    second: Cloud
    words: tuple[str, ...]
    stretch: Stretch
    cache: CacheConfig
    sets: tuple[tuple[str, ...], ...] | None
    endings: dict[_Ending, list[str]]

    @property
    def step_rows(self) -> int:
        samples = len(self.words)
        rows = samples if self.sets is None else sum(len(prompts) for prompts in self.sets)
        counts = [self.until(stop).count for stop in {ending.reached for ending in self.endings}]
        walked = max(counts) if self.sets is None else sum(counts)
        return rows * walked + samples * sum(ending.stretch.count for ending in self.endings)

    def until(self, stop: int) -> Stretch:
        """What the first model runs up to a step; where it leaves steps out there is one such step only."""
        return replace(self.stretch, start=0, stop=stop)


class Batch:
    """Some samples; steps that several methods have in common are run once."""

    def __init__(self, pair: Pair, samples: list[Sample], sets: list[CandidateSet], advance: Progress) -> None:
        self.pair, self.samples, self.sets, self.advance = pair, samples, sets, advance

    @cached_property
    def _own_words(self) -> tuple[str, ...]:
        return tuple(sample.prompt for sample in self.samples)

    @cached_property
    def _canonical(self) -> tuple[str, ...]:
        return tuple(candidates.prompts[candidates.index] for candidates in self.sets)

    @cached_property
    def _general(self) -> tuple[str, ...]:
        taxonomy = load_taxonomy(taxonomy_path(self.pair.config.taxonomy))
        return tuple(without_attributes(words, taxonomy) for words in self._canonical)

    def ways(self, methods: list[Method]) -> list[_Way]:
        """The first model's runs that the methods need, each with what follows it."""
        ways: dict[object, _Way] = {}
        for method in methods:
            divided = self.pair.split(method)
            cloud_words = self._canonical if method.hidden else self._general if method.general else self._own_words
            sides = [(self.pair.cloud, divided.cloud, cloud_words), (self.pair.device, divided.device, self._own_words)]
            if method.order == "client_first":
                sides.reverse()
            (first, stretch, words), (second, rest, last_words) = sides
            cache, whole = method.cache, None
            if isinstance(first, RemoteCloud):  # it is asked as the scheme asks it
                whole = self._candidate_sets(method)
            elif shares_maps_only(cache):  # the pivot is drawn from the whole set, and leads the two that are run
                whole, cache = self._with_pivots(method), replace(cache, pivot="first")
            elif any(part.mixes_rows for part in accelerations(cache)):
                whole = self._candidate_sets(method)
            # Where steps are left out, what leads to one step does not lead past another.
            alone = (stretch.positions, stretch.stop) if stretch.positions is not None else None
            key = (id(first), words, astuple(cache), whole, alone)
            way = ways.setdefault(key, _Way(first, second, words, stretch, cache, whole, {}))
            ending = _Ending(last_words, stretch.stop, rest, method.handover == "history")
            way.endings.setdefault(ending, []).append(method.name)
        return list(ways.values())

    def _candidate_sets(self, method: Method) -> tuple[tuple[str, ...], ...]:
        return tuple(c.prompts for c in self.sets) if method.hidden else tuple((words,) for words in self._own_words)

    def _with_pivots(self, method: Method) -> tuple[tuple[str, ...], ...]:
        """Each sample's pivot, then the candidate that is kept, where that is another one."""
        whole = self._candidate_sets(method)
        drawn = method.cache.pivot == "public"
        pivots = [prompts[pivot_place(prompts) if drawn else 0] for prompts in whole]
        kept = self._canonical if method.hidden else self._own_words
        return tuple(tuple(dict.fromkeys(pair)) for pair in zip(pivots, kept, strict=True))

    def run(self, methods: list[Method]) -> Iterator[tuple[list[str], torch.Tensor]]:
        """(names of methods that give the same latents, final latents), in some order."""
        for way in self.ways(methods):
            stops = {ending.reached for ending in way.endings}
            reached = self._walk(way, stops) if way.sets is None else self._serve(way, stops)
            for ending, names in way.endings.items():
                yield names, self._finish(way.second, ending, reached[ending.reached])

    def handed_over(self, method: Method) -> State:
        """Where the second model begins, a row a sample."""
        (way,) = self.ways([method])
        (ending,) = way.endings
        reached = self._walk if way.sets is None else self._serve
        return reached(way, {ending.reached})[ending.reached]

    def finished(self, method: Method, state: State) -> torch.Tensor:
        """Uint8 images (n, 3, H, W) of a method whose second model begins at a state, whoever made it."""
        (way,) = self.ways([method])
        (ending,) = way.endings
        return pictures(self.pair, self._finish(way.second, ending, state))

    @cached_property
    def _seeds(self) -> list[int]:
        return [sample.seed for sample in self.samples]

    def _walk(self, way: _Way, stops: set[int]) -> dict[int, State]:
        """States after each number of steps in `stops`, from one pass over the longest."""
        assert not isinstance(way.first, RemoteCloud)
        longest = way.until(max(stops))
        reached = {0: denoise(way.first, way.words, replace(longest, stop=0, positions=None), seeds=self._seeds)}
        context = StepContext()
        with attached(way.first.unet, accelerations(way.cache), context):
            path = denoise_by_step(way.first, way.words, longest, seeds=self._seeds, context=context)
            for done, state in enumerate(path, start=1):
                self.advance(len(self.samples))
                stop = longest.stop if done == longest.count else done
                if stop in stops:
                    reached[stop] = state
        return reached

    def _serve(self, way: _Way, stops: set[int]) -> dict[int, State]:
        """The same through `CloudServer`, one candidate set after the other."""
        assert way.sets is not None
        reached = {}
        for stop in stops:
            if stop == 0:  # nothing to ask for, and the cloud need not see the words
                reached[0] = denoise(self.pair.device, way.words, replace(way.stretch, stop=0), seeds=self._seeds)
                continue
            kept = []
            history = any(ending.history for ending in way.endings if ending.reached == stop)
            for sample, prompts, canonical in zip(self.samples, way.sets, way.words, strict=True):
                scale = way.stretch.guidance_scale
                asked = prompts, way.stretch.steps, 0, stop, scale, sample.seed, history
                request = CloudRequest(*asked, positions=way.stretch.positions)
                state = self._ask(way.first, request, way.cache)
                index = prompts.index(canonical)
                kept.append(state.rows(slice(index, index + 1)))
                self.advance(len(prompts) * stretch_of(request).count)
            reached[stop] = State.together(kept)
        return reached

    def _ask(self, cloud: Cloud, request: CloudRequest, cache: CacheConfig) -> State:
        """One state a candidate, from the cloud where it is."""
        if not isinstance(cloud, RemoteCloud):
            return CloudServer(cloud, batch=self.pair.batch, cache=cache, compiles=self.pair.compiles).denoise(request)
        response, here = CloudResponse.from_bytes(cloud.answer(request.to_bytes())), self.pair.device.device
        return State(response.latents.to(here), None if response.history is None else response.history.to(here))

    def _finish(self, pipeline: Cloud, ending: _Ending, state: State) -> torch.Tensor:
        state = state if ending.history else State(state.latents)
        assert not isinstance(pipeline, RemoteCloud)
        finished = denoise(pipeline, ending.words, ending.stretch, seeds=self._seeds, state=state)
        self.advance(len(self.samples) * ending.stretch.count)
        return finished.latents


def shares_maps_only(cache: CacheConfig) -> bool:
    """Whether rows depend on no other row but the pivot's, which depends on none."""
    return [type(part) for part in accelerations(cache) if part.mixes_rows] == [PivotAttention]


def load_pair(config: Config) -> Pair:
    """Both models of the configured pair, or with `cloud.server` the device's model and that server.

    Raises:
        UserError: a model cannot be loaded, or the server is out of reach or does not fit.
    """
    if config.cloud.server is None:
        cloud, device = load_pipelines(config.pair)
    else:
        device, cloud = load_remote(config)
        offer = cloud.offer(split(config.pair, config.hybrid).cloud.steps)
        _check_comparable(config, served(offer)[1])
    return Pair(cloud, device, config.pair, config.hybrid.steps, config.rows_at_once, config.cloud.compile)


def _check_comparable(config: Config, served: CacheConfig) -> None:
    """Methods differ in accelerations and order, and a server has one setting for all of its clients."""
    for name, cache in (("the server's", served), ("the configured", config.cache)):
        if not are_exact(cache):
            raise UserError(
                f"{name} accelerations ({cache.name}) cannot be compared over a wire, where every method gets the "
                "same; use cache=none on both sides"
            )
    if config.hybrid.order == "client_first":
        raise UserError("hybrid.order=client_first is scored in one process only; leave cloud.server out")


DECODED = 16  # latents that the autoencoder decodes at once


@dataclass(frozen=True)
class Work:
    """A batch: its samples, by their index in the dataset, and the methods that still need an image of any of them."""

    places: tuple[int, ...]
    methods: tuple[Method, ...]


def outstanding(count: int, methods: list[Method], is_done: Callable[[str, int], bool], batch: int) -> Iterator[Work]:
    """Every batch with the methods that lack images of it, which run together and share common steps.

    A batch is always run whole: rows of a smaller one would be rounded otherwise, and a run that was stopped would
    end with other images than one that was not.
    """
    for start in range(0, count, batch):
        places = tuple(range(start, min(start + batch, count)))
        yield Work(places, tuple(m for m in methods if not all(is_done(m.name, place) for place in places)))


def samples_at_once(pair: Pair) -> int:
    """Samples in a batch: with guidance each has two of the rows that the cloud holds at once."""
    return max(1, pair.batch // 2)


def run_work(
    pair: Pair, work: Work, samples: list[Sample], sets: list[CandidateSet], advance: Progress
) -> Iterator[tuple[list[str], torch.Tensor]]:
    """(names of methods, their uint8 images (n, 3, H, W) of the work's samples) in some order.

    Args:
        sets: each sample's candidates.
        advance: called with the number of step-rows run since the last call.
    """
    for names, latents in _batch(pair, work, samples, sets, advance).run(list(work.methods)):
        yield names, pictures(pair, latents)


def pictures(pair: Pair, latents: torch.Tensor) -> torch.Tensor:
    """Uint8 images (n, 3, H, W) of clean latents (n, c, h, w)."""
    parts = [decode(pair.device, part) for part in latents.split(DECODED)]
    return (torch.cat(parts) * 255).round().to(torch.uint8)


def step_rows(pair: Pair, work: Work, samples: list[Sample], sets: list[CandidateSet]) -> int:
    """Number of step-rows that `run_work` will report, for a progress bar."""
    batch = _batch(pair, work, samples, sets, lambda _: None)
    return sum(way.step_rows for way in batch.ways(list(work.methods)))


def generate_images(
    pair: Pair, samples: list[Sample], methods: list[Method], sets: list[CandidateSet], progress: ProgressBar
) -> dict[str, torch.Tensor]:
    """All images in memory, for experiments that store none: name -> uint8 (n, 3, H, W)."""
    works = list(outstanding(len(samples), methods, lambda *_: False, samples_at_once(pair)))
    advance = progress("images", sum(step_rows(pair, work, samples, sets) for work in works))
    parts: dict[str, list[torch.Tensor]] = {method.name: [] for method in methods}
    for work in works:
        for names, images in run_work(pair, work, samples, sets, advance):
            for name in names:
                parts[name].append(images)
    return {name: torch.cat(images) for name, images in parts.items()}


def _batch(pair: Pair, work: Work, samples: list[Sample], sets: list[CandidateSet], advance: Progress) -> Batch:
    return Batch(pair, [samples[i] for i in work.places], [sets[i] for i in work.places], advance)
