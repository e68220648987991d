"""Read the shards with Hugging Face datasets.

python examples/huggingface_datasets.py evafast-sample
"""

import sys

from datasets import load_dataset


def main(path: str) -> None:
    """Print three samples of a shuffled epoch."""
    dataset = load_dataset(
        "webdataset",
        data_files={"train": f"{path}/shards/*.tar"},
        split="train",
        streaming=True,  # without it, datasets first copies everything to its cache
    )
    for sample in dataset.shuffle(seed=0, buffer_size=100).take(3):
        print(sample["__key__"], sample["jpg"].size, sample["mask.png"].mode, sample["json"])


if __name__ == "__main__":
    main(sys.argv[1])
