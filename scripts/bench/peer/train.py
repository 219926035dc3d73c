"""A training step: forward, backward, clipping and AdamW over what is trained."""
import torch
import torch.nn.functional as F
from torch import nn

from decoder import Decoder
from timing import timed
from towers import AudioTower, Projector, VisionTower, pixel_shuffle


class Model(nn.Module):
    """Towers only where everything is trained."""

    def __init__(self, config, rank):
        super().__init__()
        llm, vision, audio = config["llm_config"], config["vision_config"], config.get("audio_config")
        self.config = config
        self.decoder = Decoder(llm, rank, tied=rank is not None)
        if rank is None:
            self.side = round(1 / config["downsample_ratio"])
            self.vision = VisionTower(vision)
            self.see = Projector(vision["hidden_size"] * self.side**2, llm["hidden_size"])
            if audio is not None:
                self.audio = AudioTower(audio)
                self.hear = Projector(audio["d_model"] * audio["frame_stack"], llm["hidden_size"])

    def forward(self, batch):
        states = self.decoder(self.embed(batch), batch["positions"], batch["mask"], batch["causal"])
        logits = self.decoder.logits(states.flatten(0, 1)[batch["supervised"]])
        return F.cross_entropy(logits, batch["targets"])

    def embed(self, batch):
        tokens = self.decoder.embedding[batch["ids"]]
        width = tokens.shape[-1]
        parts = [tokens.reshape(-1, width)]
        if batch["pixels"] is not None:
            parts.append(self.see(pixel_shuffle(self.vision(batch["pixels"])[:, 1:], self.side)).reshape(-1, width))
        if batch["mel"] is not None:
            sounds = self.audio(batch["mel"])
            parts.append(self.hear(sounds.reshape(len(sounds), -1, self.hear[1].weight.shape[1])).reshape(-1, width))
        return tokens if len(parts) == 1 else torch.cat(parts)[batch["rows"]].reshape(tokens.shape)


def train_repetition(task, compiled):
    """Every repetition is the next optimizer step on the same batch."""
    config, rank = task["config"], task["rank"]
    model = Model(config, rank)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(rank is None or "lora_" in name)
    if compiled:
        for module in layers_of(model):
            module.forward = torch.compile(module.forward, dynamic=False)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = adamw(trained)
    batch = batch_of(task)

    def step():
        optimizer.zero_grad(set_to_none=True)
        model(batch).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    return timed(step)


def layers_of(model):
    stacks = [model.decoder] + [getattr(model, tower) for tower in ("vision", "audio") if hasattr(model, tower)]
    return [layer for stack in stacks for layer in stack.layers]


def adamw(parameters):
    options = {"lr": 1e-4, "weight_decay": 0.01}
    try:
        return torch.optim.AdamW(parameters, fused=True, **options)
    except (RuntimeError, TypeError):  # older versions have it for CUDA only, or not at all
        return torch.optim.AdamW(parameters, **options)


def batch_of(task):
    config, shape = task["config"], (task["batchSize"], task["length"])
    labels = torch.tensor(task["labels"])
    supervised = (labels >= 0).nonzero().flatten()
    features = torch.tensor(task["featureIndex"])
    mask = None if is_causal(task) else torch.stack([row_mask(segments, task["length"]) for segments in task["segments"]])[:, None]
    vision, audio = config["vision_config"], config.get("audio_config")
    return {
        "ids": torch.tensor(task["inputIds"]).reshape(shape),
        "positions": torch.tensor(task["positionIds"]).reshape(shape),
        "rows": torch.where(features < 0, torch.arange(labels.numel()), labels.numel() + features),
        "supervised": supervised,
        "targets": labels[supervised],
        "mask": mask,
        "causal": mask is None,
        "pixels": torch.rand(task["frames"], 3, vision["image_size"], vision["image_size"]) if task["frames"] else None,
        "mel": torch.rand(task["sounds"], audio["num_mel_bins"], 2 * audio["max_source_positions"]) if task["sounds"] else None,
    }


def is_causal(task):
    """One chain of segments without padding needs no mask."""
    return all(
        sum(segment["length"] for segment in segments) == task["length"] and all(segment["parent"] == i for i, segment in enumerate(segments))
        for segments in task["segments"]
    )


def row_mask(segments, length):
    """[S, S], True where the query (first axis) sees the key; padding sees itself."""
    mask = torch.eye(length, dtype=torch.bool)
    for segment in segments:
        start, end = segment["start"], segment["start"] + segment["length"]
        mask[start:end, start:end] = torch.ones(end - start, end - start, dtype=torch.bool).tril()
        parent = segment["parent"]
        while parent:
            above = segments[parent - 1]
            mask[start:end, above["start"] : above["start"] + above["length"]] = True
            parent = above["parent"]
    return mask
