"""Train with Lightning from a dataset on disk.

python examples/lightning_module.py evafast-sample
"""

import sys

import torch
from lightning import LightningModule, Trainer
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

from evafast import open_dataset


class Segmentation(LightningModule):
    """A model that learns the mask from the image and its background."""

    def __init__(self) -> None:
        super().__init__()
        self.network = torch.nn.Conv2d(6, 1, 5, padding="same")

    def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
        """Return the loss of a batch."""
        seen = torch.cat([batch["image"], batch["background"]], dim=1) / 255
        loss = binary_cross_entropy_with_logits(self.network(seen), batch["mask"] / 255)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.Adam(self.parameters(), lr=0.01)


def main(path: str) -> None:
    """Train for one epoch."""
    loader = DataLoader(open_dataset(path), batch_size=16, shuffle=True, num_workers=2)
    Trainer(max_epochs=1, logger=False, enable_checkpointing=False).fit(Segmentation(), loader)


if __name__ == "__main__":
    main(sys.argv[1])
