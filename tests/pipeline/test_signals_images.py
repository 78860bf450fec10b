"""Light, blur and shape of real photos, changed on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from pipeline.signals import image_quality, pictures
from pipeline.store import Store
from tests.pipeline.signal_material import add_dataset, keep_image, listed, measured, photo, record


def test_dark_overexposed_blurred_and_odd_pictures_are_marked_and_the_photo_is_not(store: Store) -> None:
    koala = photo("koala")
    radius = 0.01 * max(koala.size)
    shas = [keep_image(store, picture) for picture in (koala, ImageEnhance.Brightness(koala).enhance(0.25), Image.blend(koala, Image.new("RGB", koala.size, "white"), 0.85),
                                                       koala.filter(ImageFilter.GaussianBlur(radius)), koala.crop((0, 0, koala.width, koala.width // 3)))]
    found = measured(store, add_dataset(store, [record(image=sha) for sha in shas] + [record()]), "image_quality")
    assert listed(found["dark"]) == [0, 1, 0, 0, 0, 255]
    assert listed(found["bright"]) == [0, 0, 1, 0, 0, 255]
    assert listed(found["blurred"]) == [0, 0, 0, 1, 0, 255]
    assert listed(found["odd_aspect"]) == [0, 0, 0, 0, 1, 255]
    light, blur = listed(found["brightness"]), listed(found["blur"])
    assert light[1] < light[0] < light[2] and light[5] is None and blur[3] > 0.58 > blur[0] > 0 and blur[5] is None
    assert listed(found["image_pixels"])[0] == koala.width * koala.height and listed(found["image_pixels"])[5] is None
    assert listed(found["aspect"])[0] == pytest.approx(koala.width / koala.height)


def test_the_demo_photos_are_neither_dark_nor_blurred() -> None:
    names = ("bison", "colosseum", "goldfish", "great-wall", "hedgehog", "lab-scale")
    for median, blur, shadows, lights, _ in (image_quality.measure(small(name)) for name in names):
        assert 0 < median < 1 and blur < image_quality.BLURRED and shadows < image_quality.BRIGHT and lights > image_quality.DARK


def small(name: str) -> Image.Image:
    picture = photo(name)
    picture.thumbnail((320, 320))
    return picture


@pytest.mark.parametrize("size", [(1, 1), (400, 3), (64, 48)])
def test_tiny_and_plain_pictures_have_no_blur_but_a_shape(store: Store, size: tuple[int, int]) -> None:
    sha = keep_image(store, Image.new("RGB", size, (90, 90, 90)))
    found = measured(store, add_dataset(store, [record(image=sha)]), "image_quality")
    assert listed(found["blur"]) == [None] and listed(found["blurred"]) == [255]
    assert listed(found["aspect"])[0] == pytest.approx(size[0] / size[1]) and listed(found["brightness"])[0] == pytest.approx(90 / 255, abs=0.01)


def test_a_picture_turned_by_its_exif_data_is_as_tall_as_it_is_seen(store: Store) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sha = keep_image(store, photo("koala").resize((300, 100)), exif=exif)
    found = measured(store, add_dataset(store, [record(image=sha)]), "image_quality")
    assert listed(found["aspect"]) == [pytest.approx(1 / 3)] and listed(found["odd_aspect"]) == [1]


def test_a_lost_picture_is_unknown_and_the_note_counts_it(store: Store) -> None:
    lost, there = keep_image(store, photo("koala")), keep_image(store, photo("kitten"))
    for path in (store.workspace.thumbnail_path(lost), store.workspace.image_path(lost)):
        path.write_bytes(b"no picture")
    dataset = add_dataset(store, [record(image=lost), record(image=there)])
    found = measured(store, dataset, "image_quality")
    assert listed(found["dark"]) == [255, 0] and listed(found["brightness"])[0] is None


def test_without_pictures_everything_is_unknown(store: Store) -> None:
    found = measured(store, add_dataset(store, [record(), record()]), "image_quality")
    assert listed(found["brightness"]) == [None, None] and listed(found["odd_aspect"]) == [255, 255] and found["brightness"].bars is None


def test_pictures_are_numbered_as_the_facts_number_them(store: Store) -> None:
    one, two = keep_image(store, photo("koala")), keep_image(store, photo("kitten"))
    other = add_dataset(store, [record(image=one)], "other")
    dataset = add_dataset(store, [record(), record(image=two), record(image=one), record(image=two)])
    assert pictures.shas_of(store, dataset) == [two, one] and pictures.shas_of(store, other) == [one]
    assert pictures.to_records(store.derived.facts(dataset), np.array([5.0, 6.0]), -1.0).tolist() == [-1, 5, 6, 5]
