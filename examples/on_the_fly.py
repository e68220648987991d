"""Train on samples made on the fly: no dataset on disk, no worker processes.

python examples/on_the_fly.py
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from evafast import Bank, Pipeline, Recipe


def main(steps: int = 5) -> None:
    """Learn the mask from the image and its background."""
    bank = Bank.builtin()  # or Bank.from_folders("photos", "cutouts")
    recipe = Recipe.for_bank(bank, placements=20, seed=0)
    pipeline = Pipeline(bank, recipe)

    network = torch.nn.Conv2d(6, 1, 5, padding="same")
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for batch in pipeline.batches(recipe.order[: 16 * steps], batch_size=16):
        seen = torch.cat([batch.image, batch.background], dim=1) / 255
        loss = binary_cross_entropy_with_logits(network(seen), batch.mask / 255)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
