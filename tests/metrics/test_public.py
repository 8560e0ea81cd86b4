"""The paper's networks without their weights: Inception-v3 at random, the judge's OpenCLIP in place of ViT-g/14."""

import hashlib
from dataclasses import astuple
from pathlib import Path

import open_clip
import pytest
import torch
from torch import nn

from obclip_cli.config import NetworksConfig, taxonomy_path
from obclip_cli.errors import UserError
from obclip_cli.metrics import public
from obclip_cli.metrics.judge import Judge
from obclip_cli.metrics.public import Clip, PublicExtractor, load_inception, wordings
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.resources import package_folder

JUDGE = "package:mini/weights/judge"


@pytest.fixture(scope="module")
def clip() -> Clip:
    folder = f"local-dir:{package_folder() / 'mini' / 'weights' / 'judge'}"
    return Clip(open_clip.create_model(folder), open_clip.get_tokenizer(folder), "stand-in")


class ColourFeatures(nn.Module):
    """In place of Inception-v3: two outputs of uint8 images."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        means = images.float().mean((2, 3))
        return means, means[:, :2]


def test_the_clip_score_is_that_of_the_judge_with_the_same_model(clip: Clip) -> None:
    """The judge resizes by torchvision, bilinearly; at the model's own size nothing is resized."""
    judge = Judge(JUDGE)
    images = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(clip.extract(images), judge(images), atol=1e-5)
    prompts = ["an old man", "a woman firefighter"]
    assert torch.allclose(clip.text(prompts), judge.text(prompts), atol=1e-6)
    assert torch.allclose(
        clip.extract(images.repeat_interleave(4, 2).repeat_interleave(4, 3)).norm(dim=1), torch.ones(2)
    )


def test_attributes_are_told_by_the_nearest_wording(clip: Clip) -> None:
    taxonomy = load_taxonomy(taxonomy_path("paper"))
    extractor = PublicExtractor(ColourFeatures(), "digest", clip, taxonomy)
    images = torch.randint(0, 255, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    features = extractor.extract(images)
    assert features.pooled.shape == (3, 3) and features.class_logits.shape == (3, 2)
    for attribute, values in taxonomy.attributes.items():
        expected = features.embeddings @ clip.text(wordings(list(values))).T
        assert torch.allclose(features.attribute_logits[attribute], expected)
    assert wordings(["old", "male"]) == ["a photo of an old person", "a photo of a male person"]
    assert "zero-shot" in extractor.attributes_by and "Inception-v3" in extractor.features_by


@pytest.mark.slow
def test_inception_is_torch_fidelitys_with_the_weights_in_torchs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(public, "INCEPTION_HASH", "")  # random weights have another
    torch.manual_seed(0)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        blank = FeatureExtractorInceptionV3("inception-v3", ["2048", "logits_unbiased"], "none")
    place = tmp_path / "hub" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    place.parent.mkdir(parents=True)
    torch.save(blank.state_dict(), place)
    network, digest = load_inception()
    images = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    features, logits = network(images)
    assert features.shape == (2, 2048) and logits.shape == (2, 1008) and len(digest) == 16
    assert torch.equal(features, blank(images)[0])


def test_an_openclip_that_cannot_be_fetched_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_reach(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host\nand more")

    monkeypatch.setattr(public, "download_pretrained", out_of_reach)
    with pytest.raises(
        UserError, match=r"ViT-g-14 .*laion2b_s34b_b88k.*no route to host.*networks\.clip=FILE"
    ) as error:
        Clip.published()
    assert "\n" not in str(error.value)


def test_local_weights_are_used_where_they_are_what_they_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small judge stands for ViT-g/14: a file of weights, given by its path, with its hash or without."""
    monkeypatch.setattr(public, "CLIP", f"local-dir:{package_folder() / 'mini' / 'weights' / 'judge'}")
    weights = next((package_folder() / "mini" / "weights" / "judge").glob("open_clip*.safetensors"))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    for begins in (None, digest[:8], digest.upper()):
        assert public.clip_weights(NetworksConfig(clip=str(weights), clip_sha256=begins)) == weights
    monkeypatch.setattr(public, "INCEPTION_HASH", digest[:8])
    assert public.find_networks(NetworksConfig(str(weights), str(weights))) == (weights, weights)


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (NetworksConfig(inception="{wrong}"), r"wrong.pt is the wrong file \(SHA-256 .*, not 6726825d.*torch-fidelity"),
        (NetworksConfig(inception="/nowhere.pth"), r"networks.inception=/nowhere.pth is not a file"),
        (NetworksConfig(clip="{wrong}", clip_sha256="ab"), r"wrong.pt is the wrong file .*, not ab.*ViT-g-14"),
        (NetworksConfig(clip="/nowhere"), r"networks.clip=/nowhere is not a file"),
    ],
)
def test_wrong_weights_are_called_wrong(networks: NetworksConfig, words: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pt"
    torch.save({"weight": torch.zeros(1)}, wrong)
    given = NetworksConfig(*(value and value.format(wrong=wrong) for value in astuple(networks)))
    with pytest.raises(UserError, match=words):
        (public.inception_weights if given.inception else public.clip_weights)(given)


def test_a_file_that_holds_another_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "CLIP", "ViT-B-32")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"other.pt does not hold ViT-B-32 .*laion2b_s34b_b88k"):
        Clip.published(NetworksConfig(clip=str(tmp_path / "other.pt")))
