"""Read the shards with the webdataset library.

python examples/webdataset_loader.py evafast-sample
"""

import sys
from pathlib import Path

import webdataset as wds


def main(path: str) -> None:
    """Read one epoch in batches of 16."""
    shards = sorted(map(str, Path(path, "shards").glob("*.tar")))
    dataset = (
        wds.WebDataset(shards, shardshuffle=len(shards))  # already mixed: no shuffle buffer needed
        .decode("torchrgb")
        .to_tuple("jpg;png", "mask.png", "json")
        .batched(16)
    )
    for image, mask, record in wds.WebLoader(dataset, batch_size=None, num_workers=1):
        print(tuple(image.shape), tuple(mask[:, :1].shape), record[0]["name"])


if __name__ == "__main__":
    main(sys.argv[1])
