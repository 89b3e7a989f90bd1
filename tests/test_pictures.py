"""The pictures of lesson 15: what the handler reads in them, and that they stay so."""

import io

import pytest
import torch
from course import pictures
from PIL import Image
from ts.utils.util import PredictionException

from handlers.digits_handler import read_picture
from models.train_digits import load_data

LEARNED, VALIDATION, TEST = load_data()


def test_three_heaps_have_every_digit_in_the_same_share():
    sizes = [len(heap.labels) for heap in (LEARNED, VALIDATION, TEST)]
    assert sizes == [1347, 225, 225]
    for heap in (VALIDATION, TEST):
        counts = heap.labels.bincount()
        assert counts.min() >= 21 and counts.max() <= 24


def test_a_scan_holds_the_digit_that_was_scanned():
    for picture in TEST.pictures[:20]:
        read = read_picture(pictures.file_of(pictures.scan(picture)))
        assert read.sum() == pytest.approx(picture.sum(), rel=0.25)


def test_photos_are_turned_and_the_same_every_time():
    some = TEST.pictures[:5]
    straight, turned = pictures.photos(some, 0), pictures.photos(some, 30)
    assert turned == pictures.photos(some, 30) != straight
    upright = read_picture(straight[0])
    scanned = read_picture(pictures.file_of(pictures.scan(some[0])))
    assert (upright - scanned).abs().max() < 1.5
    assert Image.open(io.BytesIO(turned[0])).format == "JPEG"


def test_drawings_and_noise_are_pictures_and_blank_paper_is_none():
    for drawn in (pictures.three(), pictures.letter()):
        assert read_picture(pictures.file_of(drawn)).shape == (1, 8, 8)
    first, second = pictures.noise(2)
    assert first != second and pictures.noise(2) == [first, second]
    with pytest.raises(PredictionException, match="no digit"):
        read_picture(pictures.file_of(pictures.blank()[0]))


def test_a_small_bomb_is_a_whole_picture():
    read = Image.open(io.BytesIO(pictures.bomb(90)))
    read.load()
    assert read.size == (90, 90) and read.getextrema() == (0, 0)


def test_show_takes_both_kinds_of_picture(monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures.plt, "show", lambda: drawn.append(pictures.plt.gcf()))
    pictures.show([pictures.three(), torch.zeros(1, 8, 8)], ["drawn", "read"])
    [figure] = drawn
    assert [axes.get_title() for axes in figure.axes] == ["drawn", "read"]
    pictures.plt.close(figure)
