"""What the models are made of: linear layers with adapters, norms, attention, and cheap weights."""
import functools
import math

import torch
import torch.nn.functional as F
from torch import nn


@functools.lru_cache(maxsize=None)
def block():
    return torch.rand(262139) * 2 - 1


def cheap(*shape):
    """Random numbers of the usual size, one short block over and over."""
    size = math.prod(shape)
    scale = math.sqrt(3 / math.prod(shape[1:]))
    return (block() * scale).repeat(-(-size // block().numel()))[:size].reshape(shape)


class Linear(nn.Module):
    """x W^T + b, plus scale (x A^T) B^T with a rank."""

    def __init__(self, inputs, outputs, bias=True, rank=None):
        super().__init__()
        self.weight = nn.Parameter(cheap(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.rank = rank
        if rank is not None:
            self.lora_a = nn.Parameter(cheap(rank, inputs))
            self.lora_b = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x):
        y = F.linear(x, self.weight, self.bias)
        return y if self.rank is None else y + F.linear(F.linear(x, self.lora_a) * 4.0, self.lora_b)


class RmsNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def attend(query, key, value, mask=None, causal=False):
    """[B, N, S, H] queries over [B, K, L, H] keys; fused where this PyTorch has it."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (repeat_heads(x, groups) for x in (key, value))
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, -1) @ value


def repeat_heads(x, groups):
    batch, heads, length, size = x.shape
    return x[:, :, None].expand(batch, heads, groups, length, size).reshape(batch, heads * groups, length, size)


def split_heads(x, heads):
    """[B, S, N * H] as [B, N, S, H]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x):
    return x.transpose(1, 2).flatten(2)
