"""Write data/keras_small.npz: stages and outputs of a small DenseDepth as Keras computes them.

Run once, where Keras is installed, from the repository:
``KERAS_BACKEND=tensorflow python tests/depth/make_keras_small.py``.
"""

from __future__ import annotations

from pathlib import Path

import keras
import keras_layout
import keras_reference
import numpy as np

BLOCKS, WIDTH, SIZE = (1, 2, 1, 1), 64, (64, 96)


def main() -> None:
    images = keras_layout.images(1, SIZE)
    weights = keras_layout.draw(keras_layout.layout(BLOCKS, width=WIDTH))
    arrays: dict[str, np.ndarray] = {}
    for inner in (False, True):
        for align in (False, True):
            model = keras_reference.build(
                keras, blocks=BLOCKS, size=SIZE, inner_activation=inner, align_corners=align,
                decoder_width=WIDTH,
            )  # fmt: skip
            keras_reference.fill(model, weights)
            *skips, output = keras_reference.stages(keras, model, images)
            arrays[f"output_inner{int(inner)}_align{int(align)}"] = output
            # Every eighth channel of the skips: enough to detect a difference, yet small.
            arrays |= {f"stage{i}": stage[..., ::8] for i, stage in enumerate(skips)}
    arrays["keras_version"] = np.array(f"{keras.__version__} {keras.backend.backend()}")
    np.savez_compressed(Path(__file__).parent / "data" / "keras_small.npz", **arrays)


if __name__ == "__main__":
    main()
