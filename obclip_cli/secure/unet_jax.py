"""The UNet of Stable Diffusion's kind in JAX, over the weights that diffusers reads: what SPU can run on shares.

Needs jax and numpy only. It follows diffusers' `UNet2DConditionModel` (github.com/huggingface/diffusers, Apache-2.0)
block by block; `tests/secure/test_unet_jax.py` holds it against that. GELU is the tanh form: SPU has no erf.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Weights = dict[str, Any]
CHANNELS_LAST = ("NHWC", "HWIO", "NHWC")


def layout(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """diffusers' weights as JAX multiplies them: float32, convolutions (h, w, in, out), matrices (in, out)."""
    turned = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
    return {name: w.astype(np.float32).transpose(turned[w.ndim]) for name, w in weights.items()}


def timestep_embedding(timestep: float, width: int) -> np.ndarray:
    """Sines of a public timestep, (1, width), cosines first; `flip_sin_to_cos` with `freq_shift` 0."""
    angles = timestep * np.exp(-np.log(10000.0) * np.arange(width // 2) / (width // 2))
    return np.concatenate([np.cos(angles), np.sin(angles)]).astype(np.float32)[None]


def unet(weights: Weights, config: dict[str, Any], latents: Any, sines: Any, words: Any) -> Any:
    """The model's prediction, (rows, h, w, c).

    Args:
        weights: in `layout`.
        config: diffusers' `config.json` of the UNet.
        latents: (rows, h, w, c).
        sines: `timestep_embedding` of the one timestep of all rows.
        words: prompt embeddings, (rows, tokens, width).
    """
    groups, heads, layers = config["norm_num_groups"], config["attention_head_dim"], config["layers_per_block"]

    def linear(name: str, x: Any) -> Any:
        bias = weights.get(f"{name}.bias")
        product = x @ weights[f"{name}.weight"].reshape(x.shape[-1], -1)  # 1x1 convolutions too
        return product if bias is None else product + bias

    def conv(name: str, x: Any, stride: int = 1) -> Any:
        padding, kernel = [(1, 1), (1, 1)], weights[f"{name}.weight"]
        same = jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=CHANNELS_LAST)
        return same + weights[f"{name}.bias"]

    def scaled(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
        centred = x - x.mean(axes, keepdims=True)
        return centred * jax.lax.rsqrt((centred * centred).mean(axes, keepdims=True) + epsilon)

    def group_norm(name: str, x: Any, epsilon: float) -> Any:
        apart = x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
        normal = scaled(apart, (1, 3), epsilon).reshape(x.shape)
        return normal * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def layer_norm(name: str, x: Any) -> Any:
        return scaled(x, (-1,), 1e-5) * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def resnet(name: str, x: Any) -> Any:
        inner = conv(f"{name}.conv1", jax.nn.silu(group_norm(f"{name}.norm1", x, config["norm_eps"])))
        inner = inner + linear(f"{name}.time_emb_proj", time)[:, None, None]
        inner = conv(f"{name}.conv2", jax.nn.silu(group_norm(f"{name}.norm2", inner, config["norm_eps"])))
        return (linear(f"{name}.conv_shortcut", x) if f"{name}.conv_shortcut.weight" in weights else x) + inner

    def attention(name: str, x: Any, context: Any) -> Any:
        def split(part: str, rows: Any) -> Any:
            flat = linear(f"{name}.to_{part}", rows)
            return flat.reshape(*flat.shape[:2], heads, -1).transpose(0, 2, 1, 3)

        query, key, value = split("q", x), split("k", context), split("v", context)
        scores = query @ key.transpose(0, 1, 3, 2) * query.shape[-1] ** -0.5
        mixed = (jax.nn.softmax(scores) @ value).transpose(0, 2, 1, 3).reshape(x.shape)
        return linear(f"{name}.to_out.0", mixed)

    def transformer(name: str, x: Any) -> Any:
        flat = linear(f"{name}.proj_in", group_norm(f"{name}.norm", x, 1e-6)).reshape(x.shape[0], -1, x.shape[-1])
        block = f"{name}.transformer_blocks.0"
        normal = layer_norm(f"{block}.norm1", flat)
        flat = flat + attention(f"{block}.attn1", normal, normal)
        flat = flat + attention(f"{block}.attn2", layer_norm(f"{block}.norm2", flat), words)
        inner, gate = jnp.split(linear(f"{block}.ff.net.0.proj", layer_norm(f"{block}.norm3", flat)), 2, axis=-1)
        flat = flat + linear(f"{block}.ff.net.2", inner * jax.nn.gelu(gate, approximate=True))
        return x + linear(f"{name}.proj_out", flat.reshape(x.shape))

    def layer(block: str, place: int, x: Any) -> Any:
        x = resnet(f"{block}.resnets.{place}", x)
        attends = f"{block}.attentions.{place}.norm.weight" in weights
        return transformer(f"{block}.attentions.{place}", x) if attends else x

    time = jax.nn.silu(linear("time_embedding.linear_2", jax.nn.silu(linear("time_embedding.linear_1", sines))))
    x = conv("conv_in", latents)
    skips = [x]
    for place in range(len(config["down_block_types"])):
        for index in range(layers):
            x = layer(f"down_blocks.{place}", index, x)
            skips.append(x)
        if f"down_blocks.{place}.downsamplers.0.conv.weight" in weights:
            x = conv(f"down_blocks.{place}.downsamplers.0.conv", x, stride=2)
            skips.append(x)
    if config["mid_block_type"] is not None:
        x = resnet("mid_block.resnets.1", layer("mid_block", 0, x))
    for place in range(len(config["up_block_types"])):
        for index in range(layers + 1):
            x = layer(f"up_blocks.{place}", index, jnp.concatenate([x, skips.pop()], axis=-1))
        if f"up_blocks.{place}.upsamplers.0.conv.weight" in weights:
            x = conv(f"up_blocks.{place}.upsamplers.0.conv", x.repeat(2, axis=1).repeat(2, axis=2))
    return conv("conv_out", jax.nn.silu(group_norm("conv_norm_out", x, config["norm_eps"])))
