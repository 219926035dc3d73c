"""Greedy decoding of several sequences with a cache that was laid out once; the prompts' part of it is taken as given."""
import torch

from decoder import Decoder
from timing import timed


def decode_repetition(task, compiled):
    config = task["config"]["llm_config"]
    count, prompt, new = task["sequences"], task["promptLength"], task["newTokens"]
    decoder = Decoder(config).requires_grad_(False)
    shape = (count, config["num_key_value_heads"], prompt + new, config["hidden_size"] // config["num_attention_heads"])
    caches = [(torch.rand(shape), torch.rand(shape)) for _ in decoder.layers]
    steps = [torch.compile(layer.step, dynamic=False) if compiled else layer.step for layer in decoder.layers]
    visible = torch.arange(prompt + new)

    def answer():
        with torch.inference_mode():
            token = torch.zeros(count, 1, dtype=torch.long, device=visible.device)
            for position in range(prompt, prompt + new):
                token = next_token(token, torch.tensor([position], device=visible.device))

    def next_token(token, position):
        cos, sin = decoder.rotations(position.expand(count, 1))
        mask = (visible <= position)[None, None, None]
        x = decoder.embedding[token]
        for step, cache in zip(steps, caches):
            x = step(x, cos, sin, mask, cache, position)
        return decoder.logits(decoder.norm(x)).argmax(-1)

    return timed(answer)
