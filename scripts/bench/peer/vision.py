"""One image through the vision tower."""
import torch

from timing import timed
from towers import VisionTower


def vision_repetition(task, compiled):
    config = task["config"]["vision_config"]
    tower = VisionTower(config).requires_grad_(False)
    if compiled:
        for layer in tower.layers:
            layer.forward = torch.compile(layer.forward, dynamic=False)
    pixels = torch.rand(1, config["num_channels"], config["image_size"], config["image_size"])

    def look():
        with torch.inference_mode():
            tower(pixels)

    return timed(look)
