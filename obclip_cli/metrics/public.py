"""The paper's networks: Inception-v3 for FID, KID and IS, OpenCLIP ViT-g/14 for the CLIP score and for attributes."""

import hashlib
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import get_model_preprocess_cfg
from open_clip.pretrained import download_pretrained, get_pretrained_cfg
from torch import nn
from torch.nn import functional

from obclip_cli.config import NetworksConfig
from obclip_cli.diffusion.hub import reason
from obclip_cli.diffusion.models import default_device
from obclip_cli.errors import UserError
from obclip_cli.metrics.features import Features
from obclip_cli.prompts.taxonomy import Taxonomy
from obclip_cli.runs import weights_digest

CLIP, CLIP_WEIGHTS = "ViT-g-14", "laion2b_s34b_b88k"  # as BK-SDM and the paper evaluate
INCEPTION_HASH = "6726825d"  # the start of its SHA-256, which torch's files carry in their names
CLIP_INSTEAD = f"take the weights of OpenCLIP {CLIP} {CLIP_WEIGHTS}"
INSTEAD = "or set pair.judge to an OpenCLIP folder"


class PublicExtractor:
    """Two public networks, and attributes by zero-shot classification.

    Args:
        inception: gives (features (n, 2048), logits (n, 1008)) of uint8 images, as torch-fidelity's does.
        clip: an OpenCLIP model with its tokenizer, image size and normalisation.
    """

    def __init__(self, inception: nn.Module, digest: str, clip: "Clip", taxonomy: Taxonomy) -> None:
        self.inception, self.clip, self.features_digest = inception, clip, digest
        self.features_by = "Inception-v3 (torch-fidelity)"
        self.clip_by = f"OpenCLIP {clip.name}"
        self.attributes_by = f"zero-shot OpenCLIP {clip.name}"
        self.labels = {attribute: list(values) for attribute, values in taxonomy.attributes.items()}
        self._wordings = {attribute: clip.text(wordings(values)) for attribute, values in self.labels.items()}

    @classmethod
    def load(cls, taxonomy: Taxonomy, networks: NetworksConfig | None = None) -> "PublicExtractor":
        """Both with their published weights.

        Raises:
            UserError: they are missing locally and cannot be downloaded, or a file holds something else.
        """
        networks = networks or NetworksConfig()
        inception, digest = load_inception(networks)
        return cls(inception, digest, Clip.published(networks), taxonomy)

    @torch.no_grad()
    def extract(self, images: torch.Tensor) -> Features:
        """Features of uint8 images (n, 3, H, W)."""
        features, logits = self.inception(images.to(default_device()))
        embeddings = self.clip.extract(images)
        attributes = {attribute: embeddings @ texts.T for attribute, texts in self._wordings.items()}
        return Features(features.cpu(), logits.cpu(), embeddings, attributes)

    def text(self, prompts: list[str]) -> torch.Tensor:
        """Unit-length embeddings (n, e)."""
        return self.clip.text(prompts)


class Clip:
    """An OpenCLIP model as images and texts are embedded with it."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self.model, self.tokenizer, self.name = model.eval().to(default_device()), tokenizer, name
        settings = get_model_preprocess_cfg(model)
        size = settings["size"]
        self.size = size if isinstance(size, int) else size[0]
        self.mean, self.std = (torch.tensor(settings[key]).view(3, 1, 1) for key in ("mean", "std"))

    @classmethod
    def published(cls, networks: NetworksConfig | None = None) -> "Clip":
        """ViT-g/14 with the weights that the paper's CLIP scores come from; errors as in `PublicExtractor.load`."""
        weights = clip_weights(networks or NetworksConfig())
        try:
            model = open_clip.create_model(CLIP, pretrained=str(weights))
        except Exception as error:
            raise UserError(f"{weights} does not hold {CLIP} ({reason(error)}); {CLIP_INSTEAD}") from error
        return cls(model, open_clip.get_tokenizer(CLIP), f"{CLIP} {CLIP_WEIGHTS}")

    @torch.no_grad()
    def extract(self, images: torch.Tensor) -> torch.Tensor:
        """Unit-length embeddings (n, e) of uint8 images (n, 3, H, W), squashed to the model's own size."""
        pixels = images.float().div(255)
        if pixels.shape[-2:] != (self.size, self.size):
            pixels = functional.interpolate(
                pixels, (self.size, self.size), mode="bicubic", antialias=True, align_corners=False
            ).clamp(0, 1)
        embedded: torch.Tensor = self.model.encode_image(
            ((pixels - self.mean) / self.std).to(default_device()), normalize=True
        )
        return embedded.cpu()

    @torch.no_grad()
    def text(self, prompts: list[str]) -> torch.Tensor:
        """Unit-length embeddings (n, e)."""
        embedded: torch.Tensor = self.model.encode_text(self.tokenizer(prompts).to(default_device()), normalize=True)
        return embedded.cpu()


def wordings(values: list[str]) -> list[str]:
    """What an image of a person with each value is described as."""
    return [f"a photo of {'an' if value[0] in 'aeiou' else 'a'} {value} person" for value in values]


def find_networks(networks: NetworksConfig) -> tuple[Path, Path]:
    """The weight files of both, fetched and checked but not loaded; errors as in `PublicExtractor.load`."""
    return inception_weights(networks), clip_weights(networks)


def load_inception(networks: NetworksConfig | None = None) -> tuple[nn.Module, str]:
    """The Inception-v3 that FID is defined with, and a digest of its weights. Source: torch-fidelity.

    Raises:
        UserError: the weights are missing locally and cannot be downloaded, or the file holds others.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    weights = inception_weights(networks or NetworksConfig())
    try:
        network = FeatureExtractorInceptionV3("inception-v3", ["2048", "logits_unbiased"], str(weights))
    except Exception as error:
        raise UserError(f"{weights} does not hold Inception-v3 ({reason(error)}); delete it") from error
    return network.to(default_device()), weights_digest(weights)


def inception_weights(networks: NetworksConfig) -> Path:
    """The file of Inception-v3's weights, published with the start of its SHA-256; errors as in `load_inception`."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    weights = Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rpartition("/")[2]
    weights = _given("inception", networks.inception) or weights
    try:
        if not weights.exists():
            weights.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(weights), hash_prefix=INCEPTION_HASH)
    except Exception as error:
        raise UserError(
            f"Inception-v3's weights (95 MB) are not on this machine and cannot be fetched ({reason(error)}); "
            f"put {URL_INCEPTION_V3} at {weights}, give networks.inception=FILE, {INSTEAD}"
        ) from error
    _check_hash(weights, INCEPTION_HASH, f"Inception-v3's weights: take {URL_INCEPTION_V3}")
    return weights


def clip_weights(networks: NetworksConfig) -> Path:
    """The file of ViT-g/14's weights; errors as in `PublicExtractor.load`."""
    if given := _given("clip", networks.clip):
        _check_hash(given, networks.clip_sha256 or "", f"what networks.clip_sha256 asks for; {CLIP_INSTEAD}")
        return given
    try:
        return Path(download_pretrained(get_pretrained_cfg(CLIP, CLIP_WEIGHTS)))
    except Exception as error:
        raise UserError(
            f"OpenCLIP {CLIP} ({CLIP_WEIGHTS}, 5.5 GB) is not on this machine and cannot be fetched "
            f"({reason(error)}); run once where huggingface.co is within reach, give networks.clip=FILE, {INSTEAD}"
        ) from error


def _given(name: str, path: str | None) -> Path | None:
    if path is not None and not Path(path).is_file():
        raise UserError(f"networks.{name}={path} is not a file; give that of the weights")
    return Path(path) if path is not None else None


def _check_hash(weights: Path, begins: str, otherwise: str) -> None:
    if not begins:
        return
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(begins.lower()):
        raise UserError(f"{weights} is the wrong file (SHA-256 {found[:16]}..., not {begins}...), not {otherwise}")
