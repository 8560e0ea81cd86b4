"""Which data stands for the paper's on a pair: MS-COCO for Stable Diffusion, MJHQ for SDXL, emoji for `mini`."""

CAPTIONS = {"mini": "emoji", "sdxl-koala": "mjhq", "lcmsdxl-koala": "mjhq"}
PORTRAITS = {"mini": "emoji_portraits"}


def captions(pair: str, *, limit_on_mini: int) -> list[str]:
    """Overrides for prompts that people wrote (Tables 3, 4, 5; Figure 3); other pairs than `mini` take all of them."""
    return _of(CAPTIONS.get(pair, "coco"), pair, limit_on_mini)


def portraits(pair: str, attributes: int, *, limit_on_mini: int) -> list[str]:
    """Overrides for filled templates (Tables 2 and 6) with so many sensitive attributes."""
    dataset = _of(PORTRAITS.get(pair, "portraits"), pair, limit_on_mini)
    return [*dataset, f"dataset.attributes={attributes}"]


def _of(dataset: str, pair: str, limit_on_mini: int) -> list[str]:
    return [f"dataset={dataset}", *([f"dataset.limit={limit_on_mini}"] if pair == "mini" else [])]
