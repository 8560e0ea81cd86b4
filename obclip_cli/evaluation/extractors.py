"""Which networks score a configuration: the pair's judge, or the public ones that the paper uses."""

from obclip_cli.config import Config, taxonomy_path
from obclip_cli.diffusion.models import default_device
from obclip_cli.metrics.features import FeatureExtractor


def load_extractor(config: Config) -> FeatureExtractor:
    """The pair's judge, or else Inception-v3 and OpenCLIP ViT-g/14 as the paper uses them.

    Raises:
        UserError: their weights are not on this machine and cannot be fetched.
    """
    if config.pair.judge is not None:
        from obclip_cli.metrics.judge import Judge

        return Judge(config.pair.judge).to(default_device())
    from obclip_cli.metrics.public import PublicExtractor
    from obclip_cli.prompts.taxonomy import load_taxonomy

    return PublicExtractor.load(load_taxonomy(taxonomy_path(config.pair.taxonomy)), config.networks)


def find_extractor(config: Config) -> None:
    """Make sure that what `load_extractor` loads is on this machine, without the memory that it takes.

    Raises:
        UserError: as `load_extractor`.
    """
    if config.pair.judge is not None:
        load_extractor(config)  # small
        return
    from obclip_cli.metrics.public import find_networks

    find_networks(config.networks)
