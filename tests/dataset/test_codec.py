"""The codec: what is lossless comes back, by other readers."""

import io

import cv2
import numpy as np
import pytest
from pictures import cutout, photograph
from PIL import Image

from evafast import RunError, UsageError
from evafast.dataset import png
from evafast.dataset.codec import Codec, decode_image, encode_asset


def one(encode, picture):
    return encode(picture[None])[0]


def pictures():
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(224), np.arange(224))
    return {
        "empty": np.zeros((224, 224), np.uint8),
        "full": np.full((5, 3), 255, np.uint8),
        "one": np.array([[7]], np.uint8),
        "matte": np.pad(cutout(90, 70, 1)[..., 3], 40),
        "noise": rng.integers(0, 256, (33, 77), dtype=np.uint8),
        "noise16": rng.integers(0, 65536, (33, 77), dtype=np.uint16),
        "ramp16": (ramp * 100).astype(np.uint16),
        "ramp": (ramp % 256).astype(np.uint8),
    }


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("name", pictures())
def test_gray_png_comes_back_by_two_readers(smooth, name):
    expected = pictures()[name]
    data = png.encode_gray(np.stack([expected[::-1], expected]), smooth=smooth)[1]
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert by_opencv.dtype == expected.dtype
    assert np.array_equal(by_opencv, expected)
    image = Image.open(io.BytesIO(data))
    image.verify()  # every chunk's checksum
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), expected)


def test_masks_and_depth_are_stored_small():
    mask = pictures()["matte"]
    assert len(one(Codec().encode_masks, mask)) < mask.size / 8
    ramp = pictures()["ramp16"]
    assert len(one(Codec().encode_depths, ramp)) < 2 * ramp.size / 10


def test_png_image_is_lossless_and_jpeg_close():
    image = photograph(64, 3)
    lossless = decode_image(one(Codec(image_format="png").encode_images, image), "x")
    assert np.array_equal(lossless, image)
    smooth = cv2.GaussianBlur(image, (0, 0), 3)
    close = decode_image(one(Codec(quality=95).encode_images, smooth), "x")
    assert np.abs(close.astype(int) - smooth).mean() < 3
    rough, fine = (one(Codec(quality=q).encode_images, image) for q in (30, 90))
    assert len(rough) < len(fine)


def test_assets_keep_colours_under_zero_alpha():
    rgba = cutout(40, 30, 2)
    assert (rgba[..., 3] == 0).any()
    assert np.array_equal(decode_image(encode_asset(rgba), "x"), rgba)
    rgb = photograph(16, 1)
    assert np.array_equal(decode_image(encode_asset(rgb), "x"), rgb)


def test_damage_is_named():
    data = one(Codec().encode_images, photograph(16, 1))
    with pytest.raises(RunError, match="sample 7: expected a JPEG or PNG"):
        decode_image(data[:20], "sample 7")
    with pytest.raises(RunError, match="got 0 bytes"):
        decode_image(b"", "sample 7")
    with pytest.raises(UsageError, match="quality: expected 1 to 100"):
        Codec(quality=0)
    with pytest.raises(UsageError, match="image format: expected"):
        Codec(image_format="webp")
