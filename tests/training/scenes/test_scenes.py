"""The renderer against analytic geometry, against itself, and against the stored pack."""

import io
import subprocess
import sys

import numba
import numpy as np
import pytest
from PIL import Image

from evafast.builtin import pack_folders
from evafast.errors import UsageError
from training import scenes
from training.scenes import pack, world
from training.scenes.build import Builder
from training.scenes.render import Camera, cut_out, expose

SIDE = 48


def rays(camera: Camera):
    """Unit rays through pixel centres and their cosine to the axis, computed independently."""
    half = np.tan(np.radians(camera.view) / 2)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    x, y = (2 * x / SIDE - 1) * half, (1 - 2 * y / SIDE) * half
    p = np.radians(camera.pitch)
    forward, up = np.array([0, np.cos(p), np.sin(p)]), np.array([0, -np.sin(p), np.cos(p)])
    d = forward + x[..., None] * np.array([1, 0, 0]) + y[..., None] * up
    length = np.linalg.norm(d, axis=-1)
    return d / length[..., None], 1 / length


def depth_of(b: Builder, camera: Camera):
    return expose(b.world(), camera, SIDE, SIDE, 1, 0)[1]


def test_plane_depth_is_metres_along_the_axis():
    b = Builder(0)
    b.land[world.LAND_KIND] = world.FLAT
    camera = Camera(place=(0.3, -1.0, 2.0), pitch=-30, view=70)
    d, cosine = rays(camera)
    t = np.where(d[..., 2] < 0, -2.0 / np.minimum(d[..., 2], -1e-9), np.inf)
    np.testing.assert_allclose(depth_of(b, camera), np.minimum(t * cosine, 1000), rtol=1e-5)
    # at the centre, 30 degrees down from 2 m: 4 m
    assert depth_of(b, camera)[SIDE // 2, SIDE // 2] == pytest.approx(4.0, rel=0.05)


def test_sphere_depth_is_analytic_and_the_sky_is_far():
    b = Builder(0)
    b.ball((0.2, 6, 1), 1.5, 0)
    camera = Camera(place=(0, 0, 1), view=60)
    d, cosine = rays(camera)
    centre = np.array([0.2, 6, 0.0])
    along = d @ centre
    square = along**2 - centre @ centre + 1.5**2
    truth = np.where(square > 0, (along - np.sqrt(np.maximum(square, 0))) * cosine, 1000)
    depth = depth_of(b, camera)
    edge = np.abs(square) < 0.02  # a ray that grazes may fall either way
    np.testing.assert_allclose(depth[~edge], truth[~edge], rtol=1e-5)
    assert (depth == 1000).any()
    assert (depth < 1000).sum() > 100


def test_a_wall_perpendicular_to_the_axis_has_one_depth():
    b = Builder(0)
    b.box((0, 5, 0), (40, 2, 40), 0)
    np.testing.assert_allclose(depth_of(b, Camera(place=(0, 0, 0), view=90)), 4.0, rtol=1e-6)


@pytest.mark.parametrize("solid", ["rod", "ring", "turned", "pillow"])
def test_solids_are_where_they_were_placed(solid):
    b = Builder(0)
    with b.thing((0, 8, 0), yaw=30, scale=2.0):
        if solid == "rod":
            b.rod((0, 0, -1), (0, 0, 1), 0.5, 0)
        elif solid == "ring":
            b.ring((0, 0, 0), 0.5, 0.2, 0)
        elif solid == "turned":
            b.turned((0, 0, -1), 2, [(0, 0.5), (1, 0.5)], 0)
        else:
            b.pillow((0, 0, 0), (1, 1, 1), 0, None, True)
    depth = depth_of(b, Camera(place=(0, 0, 0), view=40))
    # the pillow's extent along 30 degrees: the support of |x|^8 + |y|^8 = 1
    s, c = np.sin(np.radians(30)), np.cos(np.radians(30))
    reach = {
        "rod": 1.0,
        "ring": 1.4,
        "turned": 1.0,
        "pillow": (s ** (8 / 7) + c ** (8 / 7)) ** 0.875,
    }
    assert depth.min() == pytest.approx(8 - reach[solid], abs=0.02)


def test_half_glass_gives_half_coverage():
    b = Builder(0)
    m = b.mat((0.5, 0.5, 0.5), opacity=0.5)
    b.box((0, 5, 0), (2, 0.1, 2), m)
    b.sky[35] = 1.0
    rgba, _ = cut_out(b.world(), Camera(place=(0, 0, 0), view=60), SIDE, samples=4)
    middle = rgba[SIDE // 2, SIDE // 2, 3]
    assert 120 <= middle <= 136, "one layer of half glass; only entering a box counts"
    assert rgba[0, 0, 3] == 0


@pytest.mark.parametrize("style", ["living", "lake", "city"])
def test_a_seed_gives_the_same_image_on_any_number_of_threads(style):
    first = scenes.scene(3, style, width=64, height=48, samples=1)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        again = scenes.scene(3, style, width=64, height=48, samples=1)
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(first.rgb, again.rgb)
    assert np.array_equal(first.depth, again.depth)
    other = scenes.scene(4, style, width=64, height=48, samples=1)
    assert not np.array_equal(first.depth, other.depth)
    assert first.rgb.shape == (48, 64, 3)
    assert first.rgb.dtype == np.uint8
    assert first.depth.dtype == np.float32
    assert first.depth.min() > 0.05
    assert first.indoors == (style == "living")


@pytest.mark.parametrize("number", [1, 114])
def test_pack_images_are_rendered_as_stored(number):
    item = pack.items()[number]
    image = pack.render(item)
    with (
        pack_folders() as (backgrounds, _),
        Image.open(backgrounds.parent / item.folder / item.name) as stored,
    ):
        expected = np.asarray(stored).astype(int)
    with Image.open(io.BytesIO(pack.encode(item, image))) as again:
        found = np.asarray(again).astype(int)
    assert found.shape == expected.shape
    # Equal bytes on the machine that made the pack; elsewhere another libm or JPEG encoder may
    # change a last bit.
    assert np.mean(np.abs(found - expected).max(-1) > 3) < 0.01


def test_unknown_names_and_seeds_are_refused():
    with pytest.raises(UsageError, match="style: expected one of living"):
        scenes.scene(0, "moon")
    with pytest.raises(UsageError, match="kind: expected one of vase"):
        scenes.thing(0, "moon")
    with pytest.raises(UsageError, match="seed: expected at least 0, got -1"):
        scenes.scene(-1)
    with pytest.raises(UsageError, match="view: expected 5 to 120"):
        Camera(place=(0, 0, 0), view=170)


def test_importing_the_pack_does_not_load_numba():
    code = "import sys, evafast.builtin; assert not {'numba', 'torch', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
