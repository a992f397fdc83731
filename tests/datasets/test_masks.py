"""Images with a mask file each: classes, colours, palettes, instance ids, black and white."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.datasets.class_table import make_class_table
from server.datasets.errors import BadDataset
from server.datasets.options import ReadingOptions
from server.datasets.reading import read_dataset
from server.errors import NotARaster

TABLE = make_class_table(
    [{"name": "roof", "value": 1}, {"name": "road", "value": 2}, {"name": "cloud", "value": 9, "ignore": True}]
)
COLOURS = make_class_table([{"name": "roof", "colour": "#FF0000"}, {"name": "road", "colour": "#0000FF"}])


def make_classes() -> np.ndarray:
    classes = np.zeros((30, 40), np.uint8)
    classes[2:8, 2:8], classes[20:25, 2:8], classes[:, 20:24], classes[28:, 30:] = 1, 1, 2, 9
    return classes


def test_every_connected_area_of_a_class_is_an_object(save_pair, images, masks):
    save_pair("a", make_classes())
    dataset = read_dataset(images, masks, ReadingOptions(class_table=TABLE))
    scene = dataset[0]
    assert dataset.class_names == ("roof", "road")
    assert (scene.name, scene.rgb.shape, scene.rgb.dtype) == ("a", (30, 40, 3), np.uint8)
    assert scene.objects.dtype == scene.classes.dtype == np.int32
    assert np.unique(scene.objects).tolist() == [-1, 0, 1, 2, 3]
    assert scene.objects[3, 3] != scene.objects[21, 3]
    assert (scene.classes[3, 3], scene.classes[5, 21], scene.classes[29, 35], scene.classes[0, 0]) == (1, 2, -1, 0)


def test_colour_pictures_and_palettes_mean_the_same(save_pair, images, masks):
    classes = make_classes() % 2
    save_pair("colour", np.array([[0, 0, 255], [255, 0, 0]], np.uint8)[classes])
    save_pair("palette", classes, palette=[0, 0, 255, 255, 0, 0])
    for scene in read_dataset(images, masks, ReadingOptions(class_table=COLOURS)):
        assert (scene.classes == np.where(classes == 1, 1, 2)).all(), scene.name


def test_values_of_a_palette_can_be_meant_too(save_pair, images, masks):
    save_pair("a", make_classes(), palette=[0, 0, 255, 255, 0, 0])
    assert read_dataset(images, masks, ReadingOptions(class_table=TABLE))[0].classes[3, 3] == 1


def test_instance_ids_are_numbered_anew(save_pair, images, masks):
    ids = np.zeros((20, 20), np.uint16)
    ids[:4, :4], ids[10:, 10:] = 500, 65000
    save_pair("a", ids)
    scene = read_dataset(images, masks, ReadingOptions(class_name="roof"))[0]
    assert (scene.objects[0, 0], scene.objects[15, 15], scene.objects[0, 19]) == (1, 2, 0)
    assert (scene.classes == (scene.objects > 0)).all()


@pytest.mark.parametrize("high", [1, 255])
def test_black_and_white_masks_need_no_table(high, save_pair, images, masks):
    save_pair("a", (make_classes() == 2).astype(np.uint8) * high)
    dataset = read_dataset(images, masks, ReadingOptions(class_name="road"))
    assert dataset.class_names == ("road",)
    assert (dataset[0].classes == (make_classes() == 2)).all()


def test_grey_masks_need_a_threshold(save_pair, images, masks):
    grey = np.tile(np.arange(0, 240, 12, dtype=np.uint8), (10, 1))
    save_pair("a", grey)
    with pytest.raises(BadDataset, match=r"holds 20 values .* no class table; give one, or a threshold"):
        read_dataset(images, masks)[0]
    scene = read_dataset(images, masks, ReadingOptions(threshold=128))[0]
    assert (scene.classes == (grey >= 128)).all()


def test_pixels_without_data_are_unknown(make_raster, images, save_picture, masks):
    bands = np.full((3, 20, 20), 100, np.uint8)
    bands[:, :5] = 0
    path = make_raster("images/a.tif", bands, nodata=0)
    save_picture(masks / "a.png", np.full((20, 20), 1, np.uint8))
    scene = read_dataset(path.parent, masks)[0]
    assert (scene.objects[:5] == -1).all()
    assert (scene.classes[5:] == 1).all()


def test_bands_of_other_types_pass_through_the_stretch(make_raster, masks, save_picture):
    path = make_raster("images/a.tif", 4, dtype="float32")
    save_picture(masks / "a.png", np.zeros((48, 64), np.uint8))
    scene = read_dataset(path.parent, masks)[0]
    assert scene.rgb.dtype == np.uint8
    assert scene.rgb.max() == 255


def test_large_images_are_cut_into_windows(save_pair, images, masks):
    save_pair("a", make_classes())
    dataset = read_dataset(images, masks, ReadingOptions(class_table=TABLE, max_side_px=20))
    assert dataset.names == ("a_c0_r0", "a_c20_r0", "a_c0_r10", "a_c20_r10")
    assert (dataset[1].classes == np.where(make_classes() == 9, -1, make_classes())[:20, 20:]).all()


def test_a_single_image_and_mask(save_pair, images, masks):
    save_pair("a", make_classes())
    (masks / "a.png").rename(masks / "b.png")
    assert len(read_dataset(images / "a.png", masks / "b.png", ReadingOptions(class_table=TABLE))) == 1


def test_masks_may_lie_beside_their_images(save_picture, images):
    save_picture(images / "a.png", np.full((9, 9, 3), 50, np.uint8))
    save_picture(images / "a_mask.png", np.ones((9, 9), np.uint8))
    dataset = read_dataset(images, images, ReadingOptions(mask_suffix="_mask"))
    assert dataset.names == ("a",)
    assert dataset.messages == ()


def test_what_is_left_out_is_told(save_pair, save_picture, images, masks):
    save_pair("a", make_classes())
    save_picture(images / "lonely.png", np.zeros((5, 5, 3), np.uint8))
    save_picture(masks / "unused.png", np.zeros((5, 5), np.uint8))
    told = " ".join(read_dataset(images, masks).messages)
    assert '1 images without a mask are left out: "lonely".' in told
    assert '1 masks without an image are left out: "unused".' in told


def test_sizes_that_differ_get_a_sentence(save_pair, save_picture, images, masks):
    save_pair("a", make_classes())
    save_picture(masks / "a.png", np.zeros((31, 40), np.uint8))
    with pytest.raises(BadDataset, match=r"a\.png has 40 x 30 pixels and its mask a\.png 40 x 31"):
        read_dataset(images, masks)[0]


def test_no_pairs_get_a_sentence_with_names_of_both_sides(save_picture, images, masks):
    save_picture(images / "scene_1.png", np.zeros((5, 5, 3), np.uint8))
    save_picture(masks / "label_1.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(BadDataset, match='images are called "scene_1", masks are called "label_1"'):
        read_dataset(images, masks)


def test_values_for_colours_and_colours_for_values_get_a_sentence(save_pair, images, masks):
    save_pair("a", make_classes())
    with pytest.raises(BadDataset, match='one band without a palette, but the class table lists colours; use "value"'):
        read_dataset(images, masks, ReadingOptions(class_table=COLOURS))[0]
    save_pair("a", np.dstack([make_classes(), make_classes() + 1, make_classes()]))
    with pytest.raises(BadDataset, match=r'picture of 3 bands.*"colour" in place of "value"'):
        read_dataset(images, masks, ReadingOptions(class_table=TABLE))[0]


def test_fractions_get_a_sentence(make_raster, save_picture, images):
    save_picture(images / "a.png", np.full((8, 8, 3), 9, np.uint8))
    path = make_raster("masks/a.tif", np.full((1, 8, 8), 0.5, np.float32))
    with pytest.raises(BadDataset, match="holds fractions"):
        read_dataset(images, path.parent, ReadingOptions(class_table=TABLE))[0]


def test_unreadable_and_absent_files_get_a_sentence(save_pair, images, masks, tmp_path: Path):
    save_pair("a", make_classes())
    (masks / "a.png").write_bytes(b"no picture")
    with pytest.raises(NotARaster, match="none of the allowed formats"):
        read_dataset(images, masks)[0]
    with pytest.raises(BadDataset, match="does not exist"):
        read_dataset(tmp_path / "absent", masks)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadDataset, match="holds no images"):
        read_dataset(tmp_path / "empty", masks)
    (images / "a.tif").write_bytes((images / "a.png").read_bytes())
    with pytest.raises(BadDataset, match=r"a\.png and a\.tif .* differ only in their ending"):
        read_dataset(images, masks)
