"""COCO annotations, read back by the library that people read them with."""

import numpy as np
import pytest
from commands import LAYOUTS

from evafast import open_dataset
from evafast.export import main

coco = pytest.importorskip("pycocotools.coco")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masks_and_boxes_come_back(stored, tmp_path, layout, capsys):
    out = tmp_path / "annotations.json"
    assert main(["coco", str(stored / layout), str(out), "--quiet"]) == 0
    annotations = coco.COCO(str(out))
    dataset = open_dataset(stored / layout)
    assert len(annotations.imgs) == len(dataset) == len(annotations.anns)
    whole = dataset[:]
    names = dataset.names.samples(whole.placements)
    for position in range(len(dataset)):
        image = annotations.loadImgs([position + 1])[0]
        assert names[position] in image["file_name"]
        if layout == "folder":
            assert (stored / layout / image["file_name"]).is_file()
        (annotation,) = annotations.loadAnns(annotations.getAnnIds([position + 1]))
        expected = whole.mask[position, 0].numpy() >= 128
        assert np.array_equal(annotations.annToMask(annotation), expected)
        y, x = np.nonzero(expected)
        box = [x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1]
        assert annotation["bbox"] == box
        assert annotation["area"] == expected.sum()
    assert main(["coco", str(stored / layout), str(out), "--quiet"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_annotations_are_as_readable_as_any_file(stored, tmp_path):
    out, other = tmp_path / "annotations.json", tmp_path / "other"
    other.touch()
    assert main(["coco", str(stored / "zip"), str(out), "--quiet"]) == 0
    assert out.stat().st_mode == other.stat().st_mode
    assert sorted(p.name for p in tmp_path.iterdir()) == ["annotations.json", "other"]
