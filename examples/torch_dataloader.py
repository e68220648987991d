"""Read a dataset with torch, by random access or as a stream.

python examples/torch_dataloader.py evafast-sample
"""

import sys

from torch.utils.data import DataLoader

from evafast import open_dataset


def main(path: str) -> None:
    """Read one epoch each way."""
    dataset = open_dataset(path)

    # A map-style dataset: dataset[i] is a dict of tensors.
    for batch in DataLoader(dataset, batch_size=16, shuffle=True, num_workers=2):
        print("random access:", tuple(batch["image"].shape), batch["name"][0])

    # An iterable dataset of whole batches: sequential reads, split evenly over ranks and workers.
    stream = dataset.stream(batch_size=16, rank=0, world_size=1)
    stream.set_epoch(0)
    for batch in DataLoader(stream, batch_size=None, num_workers=2):
        print("stream:", tuple(batch.image.shape), tuple(batch.mask.shape))


if __name__ == "__main__":
    main(sys.argv[1])
