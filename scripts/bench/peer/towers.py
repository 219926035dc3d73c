"""InternViT, Whisper's encoder and the projectors."""
import torch
import torch.nn.functional as F
from torch import nn

from layers import Linear, attend, cheap, merge_heads, split_heads


class VisionLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, inner, eps = config["hidden_size"], config["intermediate_size"], config["layer_norm_eps"]
        self.heads = config["num_attention_heads"]
        self.norm1, self.norm2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.qkv, self.proj = Linear(width, 3 * width), Linear(width, width)
        self.fc1, self.fc2 = Linear(width, inner), Linear(inner, width)
        self.scale1, self.scale2 = nn.Parameter(torch.full((width,), 0.01)), nn.Parameter(torch.full((width,), 0.01))

    def forward(self, x):
        query, key, value = (split_heads(part, self.heads) for part in self.qkv(self.norm1(x)).chunk(3, -1))
        x = x + self.proj(merge_heads(attend(query, key, value))) * self.scale1
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)))) * self.scale2


class VisionTower(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, patch = config["hidden_size"], config["patch_size"]
        self.patches = nn.Conv2d(config["num_channels"], width, patch, patch)
        self.class_token = nn.Parameter(cheap(1, 1, width))
        self.positions = nn.Parameter(cheap(1, 1 + (config["image_size"] // patch) ** 2, width))
        self.layers = nn.ModuleList(VisionLayer(config) for _ in range(config["num_hidden_layers"]))

    def forward(self, pixels):
        patches = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat((self.class_token.expand(len(pixels), -1, -1), patches), 1) + self.positions
        for layer in self.layers:
            x = layer(x)
        return x


class AudioLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, inner = config["d_model"], config["encoder_ffn_dim"]
        self.heads = config["encoder_attention_heads"]
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = Linear(width, width), Linear(width, width, bias=False), Linear(width, width), Linear(width, width)
        self.fc1, self.fc2 = Linear(width, inner), Linear(inner, width)

    def forward(self, x):
        normed = self.norm1(x)
        query, key, value = (split_heads(part(normed), self.heads) for part in (self.q, self.k, self.v))
        x = x + self.out(merge_heads(attend(query, key, value)))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class AudioTower(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["d_model"]
        self.conv1 = nn.Conv1d(config["num_mel_bins"], width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.positions = nn.Parameter(cheap(config["max_source_positions"], width))
        self.layers = nn.ModuleList(AudioLayer(config) for _ in range(config["encoder_layers"]))
        self.norm = nn.LayerNorm(width)

    def forward(self, mel):
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2) + self.positions
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class Projector(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.LayerNorm(inputs), Linear(inputs, outputs), nn.GELU(), Linear(outputs, outputs))


def pixel_shuffle(x, side):
    """[I, G * G, C] patches as [I, (G / side)^2, side^2 * C]."""
    images, patches, channels = x.shape
    grid = round(patches**0.5)
    squares = x.reshape(images, grid // side, side, grid // side, side, channels).permute(0, 1, 3, 2, 4, 5)
    return squares.reshape(images, patches // side**2, side**2 * channels)
