"""Qwen2: pre-norm layers with rotary grouped-query attention and a gated MLP."""
import torch
import torch.nn.functional as F
from torch import nn

from layers import Linear, RmsNorm, attend, cheap, merge_heads, split_heads


class DecoderLayer(nn.Module):
    def __init__(self, config, rank):
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.heads, self.kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        keys = width // self.heads * self.kv_heads
        self.norm1, self.norm2 = RmsNorm(width, config["rms_norm_eps"]), RmsNorm(width, config["rms_norm_eps"])
        self.q, self.k, self.v = Linear(width, width, rank=rank), Linear(width, keys, rank=rank), Linear(width, keys, rank=rank)
        self.o = Linear(width, width, bias=False, rank=rank)
        self.gate, self.up = Linear(width, inner, bias=False, rank=rank), Linear(width, inner, bias=False, rank=rank)
        self.down = Linear(inner, width, bias=False, rank=rank)

    def forward(self, x, cos, sin, mask, causal):
        query, key, value = self.project(x, cos, sin)
        return self.finish(x, attend(query, key, value, mask, causal))

    def step(self, x, cos, sin, mask, cache, position):
        """One new position per sequence; its key and value go into `cache` at `position`."""
        query, key, value = self.project(x, cos, sin)
        cache[0].index_copy_(2, position, key)
        cache[1].index_copy_(2, position, value)
        return self.finish(x, attend(query, cache[0], cache[1], mask))

    def project(self, x, cos, sin):
        normed = self.norm1(x)
        return rotate(split_heads(self.q(normed), self.heads), cos, sin), rotate(split_heads(self.k(normed), self.kv_heads), cos, sin), split_heads(self.v(normed), self.kv_heads)

    def finish(self, x, attended):
        x = x + self.o(merge_heads(attended))
        normed = self.norm2(x)
        return x + self.down(F.silu(self.gate(normed)) * self.up(normed))


class Decoder(nn.Module):
    """The head is the embedding table where `tied`."""

    def __init__(self, config, rank=None, tied=True):
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(cheap(config["vocab_size"], config["hidden_size"]))
        self.layers = nn.ModuleList(DecoderLayer(config, rank) for _ in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.head = None if tied else nn.Parameter(cheap(config["vocab_size"], config["hidden_size"]))

    def forward(self, x, positions, mask, causal):
        cos, sin = self.rotations(positions)
        for layer in self.layers:
            x = layer(x, cos, sin, mask, causal)
        return self.norm(x)

    def logits(self, states):
        return F.linear(states, self.embedding if self.head is None else self.head)

    def rotations(self, positions):
        """Cosines and sines [B, 1, S, H] of [B, S] positions."""
        size = self.config["hidden_size"] // self.config["num_attention_heads"]
        frequencies = self.config["rope_theta"] ** (-torch.arange(0, size, 2, device=positions.device) / size)
        angles = (positions[..., None] * frequencies).repeat(1, 1, 2)[:, None]
        return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin
