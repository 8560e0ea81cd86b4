"""A cloud at the other end of HTTP. Has `answer(bytes) -> bytes`, as a server in this process has.

What is sent, and when, never depends on which candidate is real: the request's bytes are the client's, a retry sends
the same ones, and the whole answer is read whatever row of it is wanted.
"""

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
from diffusers import DiffusionPipeline

from obclip_cli import protocol
from obclip_cli.config import CacheConfig, PairConfig
from obclip_cli.diffusion.architectures import Architecture, parameters_of
from obclip_cli.diffusion.models import compare_latent_spaces, latent_space
from obclip_cli.diffusion.schedule import Split, noise_levels
from obclip_cli.errors import UserError
from obclip_cli.protocol import CloudRequest, CloudResponse, Offer, is_loopback, order_digest

BYTES = "application/octet-stream"
TIMEOUT = httpx2.Timeout(30.0, connect=10.0, read=600.0)
TRIES = 5
PATIENCE = 60.0  # seconds that a busy server may ask to wait
MOST_FACTS = 1 << 20  # bytes of an offer or of an error
HEADERS = 1 << 16  # bytes of a response that are not latents, at most
LEVELS_DIFFER = 1e-4  # relative; two schedules of one kind agree to the last digit
Watch = Callable[[int, int], None]


@dataclass
class RemoteCloud:
    """One server.

    Args:
        url: such as https://host:8000.
        token: what it asks for; from the environment unless given.
        watch: told (steps begun, steps in all) while an answer is made.

    Raises:
        UserError: the address is none, or the token would travel in the clear.
    """

    url: str
    token: str | None = field(default_factory=lambda: protocol.read_token(None), repr=False)
    watch: Watch | None = None
    tries: int = TRIES
    timeout: httpx2.Timeout = field(default_factory=lambda: TIMEOUT)
    _offers: dict[int, Offer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            url = httpx2.URL(self.url)
        except httpx2.InvalidURL as error:
            raise UserError(f"{self.url} is not an address; write http://HOST:PORT or https://HOST:PORT") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise UserError(f"{self.url} is not an address; write http://HOST:PORT or https://HOST:PORT")
        if self.token is not None and url.scheme == "http" and not is_loopback(url.host):
            raise UserError(f"the token would travel to {url.host} in the clear; use https://")
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=self.timeout)

    def offer(self, steps: int) -> Offer:
        """What the server says of itself, for a schedule of `steps`.

        Raises:
            UserError: it is out of reach, or speaks another protocol.
        """
        if steps not in self._offers:
            said = self._retried(lambda: self._ask("GET", "/models", most=MOST_FACTS, params={"steps": steps}))
            self._offers[steps] = Offer.from_bytes(said[1])
        return self._offers[steps]

    def answer(self, message: bytes) -> bytes:
        """Send a request and take the whole answer.

        Raises:
            UserError: the server is out of reach or refuses; or what it answers does not fit the request, and then
                nothing is sent again.
        """
        request = CloudRequest.from_bytes(message)
        offer = self.offer(request.steps)
        self._check_limits(request, offer)
        name = secrets.token_hex(8)
        headers = {"content-type": BYTES, "x-request-id": name}
        most = _answer_bytes(request, offer) + HEADERS
        with _Watching(self, name):
            head, answer = self._retried(
                lambda: self._ask("POST", "/denoise", most=most, content=message, headers=headers)
            )
        try:
            if head.get("x-row-order") != order_digest(request.candidates):
                raise UserError("the rows are not in the order that was asked for")
            check_answer(CloudResponse.from_bytes(answer), request, offer)
        except UserError as error:
            raise UserError(f"{self.url} gave a wrong answer ({error}); the prompt is not sent again") from error
        return answer

    def close(self) -> None:
        """Give its connections back."""
        self._http.close()

    def _check_limits(self, request: CloudRequest, offer: Offer) -> None:
        """Refuse here what the server would refuse, so that no prompt goes up in vain."""
        longest = max(map(len, request.candidates))
        if len(request.candidates) > offer.max_candidates or longest > offer.max_prompt_characters:
            raise UserError(
                f"{self.url} takes {offer.max_candidates} candidates of {offer.max_prompt_characters} characters, "
                f"not {len(request.candidates)} of {longest}; set privacy.lambda, or shorten the prompt"
            )

    def _retried(self, ask: Callable[[], tuple[httpx2.Headers, bytes]]) -> tuple[httpx2.Headers, bytes]:
        """Ask again, with the same bytes, where the connection failed or the server was busy; nowhere else."""
        for attempt in range(self.tries):
            wait = 0.2 * 2**attempt
            try:
                return ask()
            except _Busy as busy:
                reason, wait = f"{self.url} is busy ({busy.said})", min(busy.seconds, PATIENCE)
            except (httpx2.NetworkError, httpx2.ConnectTimeout, httpx2.RemoteProtocolError) as error:
                reason = f"{self.url} is out of reach ({_plain(str(error)) or type(error).__name__})"
            except httpx2.TimeoutException as error:
                raise UserError(f"{self.url} did not answer in time; type the same command again") from error
            except httpx2.HTTPError as error:
                raise UserError(f"{self.url}: {_plain(str(error))}") from error
            if attempt + 1 < self.tries:
                time.sleep(wait)
        raise UserError(f"{reason}; what was finished is kept: type the same command again when it is there")

    def _ask(self, method: str, path: str, *, most: int, **arguments: Any) -> tuple[httpx2.Headers, bytes]:
        """Headers and the whole body, which may have `most` bytes."""
        content = bytearray()
        with self._http.stream(method, path, **arguments) as response:
            most = most if response.status_code == 200 else MOST_FACTS
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > most:
                    raise UserError(f"{self.url} answers with more than the {most} bytes that were asked for")
            if response.status_code == 200:
                return response.headers, bytes(content)
        said = _detail(bytes(content))
        if response.status_code == 503:
            after = response.headers.get("retry-after", "")
            raise _Busy(said, float(after) if after.isdigit() else 1.0)
        if response.status_code == 401:
            raise UserError(f"{self.url}: {said}; set OBCLIP_TOKEN, or OBCLIP_TOKEN_FILE to a file that holds it")
        raise UserError(f"{self.url} refuses with {response.status_code}: {said}")


class _Busy(Exception):
    def __init__(self, said: str, seconds: float) -> None:
        super().__init__(said)
        self.said, self.seconds = said, seconds


class _Watching:
    """Follows a request's progress in a thread of its own; whatever goes wrong with it concerns nobody."""

    def __init__(self, cloud: RemoteCloud, name: str) -> None:
        self.cloud, self.name = cloud, name
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> None:
        if self.cloud.watch is not None:
            self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.done.set()
        if self.thread.is_alive():
            self.thread.join(timeout=1.0)

    def _follow(self) -> None:
        assert self.cloud.watch is not None
        with (
            suppress(httpx2.HTTPError, ValueError, KeyError, TypeError),
            self.cloud._http.stream("GET", f"/progress/{self.name}") as response,
        ):
            for event in httpx2.EventSource(response) if response.status_code == 200 else ():
                said = event.json()
                if self.done.is_set() or not isinstance(said, dict):
                    return
                self.cloud.watch(int(said["done"]), int(said["of"]))


def check_fits(cloud: RemoteCloud, device: DiffusionPipeline, divided: Split, pair: PairConfig) -> Offer:
    """Whether the device can go on from this server's latents; asked before any prompt is sent.

    Schedules are compared by their noise levels at the hand-over, not by names. A cloud with a schedule of its own
    (LCM) hands over near a level of the device's, which `hybrid.timestep_shift` chooses; there nothing is compared.

    Raises:
        UserError: names what does not fit.
    """
    offer = cloud.offer(divided.cloud.steps)
    served(offer)
    compare_latent_spaces(offer.latent_space, latent_space(device))
    here = str(device.unet.dtype).removeprefix("torch.")
    for name, there, wanted in (("solver", offer.solver, pair.cloud.scheduler), ("dtype", offer.dtype, here)):
        if there != wanted:
            raise UserError(f"{cloud.url} serves another {name} ({_plain(there)}, not {wanted}); choose its pair")
    if len(offer.noise_levels) != divided.cloud.steps + 1:
        raise UserError(f"{cloud.url} tells no noise levels for {divided.cloud.steps} steps")
    if pair.cloud.steps is None:
        own = noise_levels(device.scheduler, divided.device.steps)
        first = divided.order == "client_first"
        theirs = offer.noise_levels[divided.cloud.start if first else divided.cloud.stop]
        ours = own[divided.device.stop if first else divided.device.start]
        if abs(theirs - ours) > LEVELS_DIFFER * max(abs(ours), LEVELS_DIFFER):
            raise UserError(
                f"{cloud.url} runs another schedule: at the hand-over its noise level is {theirs:.4g}, the device's "
                f"{ours:.4g}; choose a pair whose models share one"
            )
    return offer


def served(offer: Offer) -> tuple[Architecture, CacheConfig]:
    """The large model and its accelerations, from which costs are counted.

    Raises:
        UserError: the server describes none.
    """
    try:
        parameters_of(offer.unet)
        return Architecture(offer.unet, offer.text_tokens), CacheConfig(**offer.cache)
    except Exception as error:  # whatever diffusers makes of a configuration that is none
        raise UserError("the server describes no UNet that this device knows") from error


def check_answer(response: CloudResponse, request: CloudRequest, offer: Offer) -> None:
    """Whether a response has the shape, type and parts that were asked for; `from_bytes` has seen that it is finite.

    Raises:
        UserError: says what is wrong.
    """
    wanted = (len(request.candidates), *offer.latent_shape)
    if tuple(response.latents.shape) != wanted:
        raise UserError(f"latents of shape {tuple(response.latents.shape)}, not {wanted}")
    if str(response.latents.dtype) != f"torch.{offer.dtype}":
        raise UserError(f"latents of {response.latents.dtype}, not {offer.dtype}")
    if (response.history is not None) != (request.wants_history and request.stop > request.start):
        raise UserError("history that was not asked for, or none where it was")


def _answer_bytes(request: CloudRequest, offer: Offer) -> int:
    channels, height, width = offer.latent_shape
    element = 4 if offer.dtype == "float32" else 2
    tensors = 2 if request.wants_history else 1
    return len(request.candidates) * channels * height * width * element * tensors


def _detail(content: bytes) -> str:
    """The line that a refusal holds, made safe for a terminal."""
    try:
        return _plain(str(protocol.parsed(content)["detail"]))
    except (UserError, KeyError):
        return "no reason given"


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200].strip()
