"""Folders of PNG masks beside images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeq.dataset import open_dataset, spool
from edgeq.dataset.picture import read_mask
from edgeq.errors import UsageError

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

MASKS = np.random.default_rng(0).integers(0, 5, (3, 4, 6), np.uint8)


def save(path: Path, pixels: NDArray[Any], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def dataset(images: Path, masks: Path) -> None:
    """a.jpg, b.jpg and c.jpg with a.png, b.png and c.png."""
    for number, mask in enumerate(MASKS):
        save(images / f"{'abc'[number]}.jpg", np.full((4, 6, 3), 40 * number, np.uint8))
        save(masks / f"{'abc'[number]}.png", mask)


@pytest.mark.parametrize(
    ("images", "masks", "spec"),
    [("set/images", "set/masks", "set"), ("set/images", "set/masks", "set/images"), ("val", "val_masks", "val")],
)
def test_masks_lie_beside_the_images(tmp_path: Path, images: str, masks: str, spec: str) -> None:
    dataset(tmp_path / images, tmp_path / masks)
    data = open_dataset(tmp_path / spec)
    assert (data.kind, len(data), data.labels, data.classes, data.notes) == ("image", 3, None, (), ())
    assert (data.require_targets() == MASKS).all() and data.name(1) == "b.jpg"


def test_without_such_a_folder_nothing_changes(tmp_path: Path) -> None:
    dataset(tmp_path / "val", tmp_path / "others")
    assert open_dataset(tmp_path / "val").targets is None
    dataset(tmp_path / "one" / "cat", tmp_path / "one_masks")
    assert open_dataset(tmp_path / "one").require_labels().tolist() == [0, 0, 0], "classes come first"
    dataset(tmp_path / "two", tmp_path / "two_masks")
    assert open_dataset(tmp_path / "two" / "a.jpg").targets is None, "one file is no folder"


def test_an_image_without_a_mask_is_named(tmp_path: Path) -> None:
    dataset(tmp_path / "val", tmp_path / "val_masks")
    (tmp_path / "val_masks" / "b.png").rename(tmp_path / "val_masks" / "x.png")
    with pytest.raises(UsageError, match=r"The image '.*b\.jpg' has no mask '.*val_masks/b\.png'\.$"):
        open_dataset(tmp_path / "val")
    (tmp_path / "val_masks" / "c.png").unlink()
    with pytest.raises(UsageError, match=r"b\.png' \(2 of 3 images have none\)"):
        open_dataset(tmp_path / "val")
    for name in "bc":
        (tmp_path / "val" / f"{name}.jpg").unlink()
    assert open_dataset(tmp_path / "val").notes == (f"1 of the masks in '{tmp_path / 'val_masks'}' have no image.",)


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    dataset(tmp_path / "val", tmp_path / "val_masks")
    save(tmp_path / "val_masks" / "c.png", np.zeros((8, 5), np.uint8))
    with pytest.raises(UsageError, match=r"c\.png' is 5 x 8 pixels large, 'a\.png' is 6 x 4"):
        open_dataset(tmp_path / "val").require_targets()


def test_the_numbers_of_pixels_are_taken_as_they_are(tmp_path: Path) -> None:
    deep = np.array([[0, 300], [65535, 7]], np.uint16)
    save(tmp_path / "deep.png", deep)
    assert (read_mask(tmp_path / "deep.png") == deep).all()
    image = Image.fromarray(MASKS[0]).convert("P")
    image.putdata(MASKS[0].ravel().tolist())
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255] * 80)
    image.save(tmp_path / "palette.png")
    assert (read_mask(tmp_path / "palette.png") == MASKS[0]).all()
    save(tmp_path / "bits.png", MASKS[0] > 2)
    assert (read_mask(tmp_path / "bits.png") == (MASKS[0] > 2)).all()


def test_what_is_no_mask_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "colours.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(UsageError, match=r"colours\.png' has colours \(RGB\)"):
        read_mask(tmp_path / "colours.png")
    save(tmp_path / "photo.jpg", np.zeros((2, 2), np.uint8))
    (tmp_path / "photo.png").write_bytes((tmp_path / "photo.jpg").read_bytes())
    with pytest.raises(UsageError, match=r"photo\.png' cannot be read: it is no PNG"):
        read_mask(tmp_path / "photo.png")


def test_the_digest_holds_the_masks_and_reads_only_those_that_are_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(tmp_path / "val", tmp_path / "val_masks")
    data = open_dataset(tmp_path / "val")
    before, of_one = data.digest(), data.digest(np.array([0]))
    changed = MASKS[2].copy()
    changed[3, 5] ^= 1
    save(tmp_path / "val_masks" / "c.png", changed)
    data = open_dataset(tmp_path / "val")
    assert data.digest() != before
    (tmp_path / "val_masks" / "c.png").write_bytes(b"")
    assert data.digest(np.array([0])) == of_one
    monkeypatch.setattr(spool, "IN_MEMORY_BYTES", 0)
    dataset(tmp_path / "val", tmp_path / "val_masks")
    assert (open_dataset(tmp_path / "val").require_targets() == MASKS).all()
