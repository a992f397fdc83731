"""Pascal VOC, DIOR and FAIR1M."""

from __future__ import annotations

import pytest

from server.datasets.detections import numbers
from server.datasets.errors import BadDataset

VOC = """<?xml version="1.0" encoding="utf-8"?>
<annotation><filename>a.png</filename>
  <object><name>ship</name><difficult>1</difficult>
    <bndbox><xmin>11</xmin><ymin>6</ymin><xmax>20</xmax><ymax>15</ymax></bndbox></object>
</annotation>"""
DIOR = """<annotation><object><name>ship</name><robndbox>
<x_left_top>10</x_left_top><y_left_top>0</y_left_top><x_right_top>20</x_right_top><y_right_top>10</y_right_top>
<x_right_bottom>10</x_right_bottom><y_right_bottom>20</y_right_bottom>
<x_left_bottom>0</x_left_bottom><y_left_bottom>10</y_left_bottom></robndbox></object>
<object><name>dam</name><bndbox><xmin>20</xmin><ymin>5</ymin><xmax>11</xmax><ymax>15</ymax></bndbox></object>
</annotation>"""
FAIR1M = """<annotation><objects><object><coordinate>pixel</coordinate>
<possibleresult><name>Boeing 737</name></possibleresult><points><point>10.0,0.0</point><point>20.0,10.0</point>
<point>10.0,20.0</point><point>0.0,10.0</point><point>10.0,0.0</point></points></object></objects></annotation>"""


def test_voc_counts_pixels_from_one(read_text):
    (found,) = read_text("voc", ".xml", VOC)
    assert (found.class_name, found.is_difficult, found.box) == ("ship", True, (10, 5, 20, 15))
    assert found.source == "a.xml, object 1"


def test_dior_has_upright_and_rotated_boxes(read_text):
    rotated, upright = read_text("dior", ".xml", DIOR)
    assert rotated.is_rotated
    assert rotated.box == (0, 0, 20, 20)
    assert (upright.class_name, upright.box, upright.is_rotated) == ("dam", (11, 5, 20, 15), False)


def test_fair1m_has_closed_rings(read_text):
    (found,) = read_text("fair1m", ".xml", FAIR1M, ["Boeing 737"])
    assert (found.class_name, found.box, found.is_rotated) == ("Boeing 737", (0, 0, 20, 20), True)


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("voc", VOC.replace("</object>", ""), r"a\.xml, line 5: this is no XML"),
        ("voc", VOC.replace("<xmax>20</xmax>", ""), r"a\.xml, object 1 has no <bndbox/xmax>"),
        ("voc", VOC.replace("20</xmax>", "wide</xmax>"), r'object 1: "wide" stands where a number'),
        ("voc", VOC.replace("ship", "shop"), r'object 1: the class "shop" is not among "Boeing 737", "dam", "ship"'),
        ("voc", "<html/>", r"a\.xml begins with <html>"),
        ("voc", '<!DOCTYPE x [<!ENTITY a "b">]><annotation/>', r"a\.xml declares a document type or entities"),
        ("fair1m", FAIR1M.replace("<point>20.0,10.0</point>", ""), r"object 1 has 3 corners; expected four"),
        ("fair1m", FAIR1M.replace("pixel<", "geo<"), r'object 1 has coordinates in "geo"'),
    ],
)
def test_wrong_files_get_a_sentence(kind, text, sentence, read_text):
    with pytest.raises(BadDataset, match=sentence):
        read_text(kind, ".xml", text, ["ship", "dam", "Boeing 737"])


def test_huge_and_binary_files_are_refused(read_text, tmp_path, read_all, monkeypatch):
    monkeypatch.setattr(numbers, "MAX_LABEL_BYTES", 100)
    with pytest.raises(BadDataset, match=r"a\.xml has \d+ bytes, more than the 100"):
        read_text("voc", ".xml", VOC)
    (tmp_path / "a.xml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadDataset, match="cannot be read as text"):
        read_all("voc", tmp_path / "a.xml")
