"""Whatever strangers write into the texts we parse ourselves: it is taken, or refused with a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import UserError
from server.observability.context import WELL_FORMED_ID, choose_request_id
from server.rasters.area import read_area
from server.rasters.rpc_files import parse_rpc
from server.rasters.side_files import attach_side_file
from server.routes.forwarded import ForwardedAddress
from server.vocabulary.class_list import parse_classes

NUMBERS = st.one_of(st.floats(), st.integers(), st.just("nan"), st.just("1e999"), st.text(max_size=6)).map(str)
LINES = st.lists(NUMBERS, max_size=9).map("\n".join)
WORDS = (
    "PROJCS",
    "GEOGCS",
    '["',
    '"]',
    "EPSG:",
    "4326",
    "+proj=",
    "utm ",
    "+nadgrids=/etc/passwd",
    "urn:ogc:def:crs:",
    ",",
    "{",
)
CRS = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), max_size=12).map("".join)
TAGS = ("<PAMDataset>", "</PAMDataset>", "<SRS>", "</SRS>", "<Metadata domain='RPC'>", "</Metadata>", "<GeoTransform>",
        "1,2,3,4,5,6", "</GeoTransform>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "&b;", "<MDI key='LINE_OFF'>", "</MDI>",
        "<GCPList>", "</GCPList>", "<!--", "<![CDATA[")  # fmt: skip
XML = st.lists(st.one_of(st.sampled_from(TAGS), st.text(max_size=5)), max_size=14).map("".join)
NAMES = ("LINE_OFF", "SAMP_OFF", "LINE_NUM_COEFF_1", "lineOffset", "BEGIN_GROUP", "")
ENTRY = st.tuples(st.sampled_from(NAMES), st.sampled_from([":", "=", ";", " "]), NUMBERS)
RPC = st.lists(ENTRY.map("".join), max_size=30).map("\n".join)
TAKEN = "it was taken"
TEXTS = {".tfw": LINES, ".prj": CRS, ".tif.aux.xml": XML, "_rpc.txt": RPC, ".rpb": RPC}
NUMBER = st.one_of(st.floats(), st.integers(), st.none(), st.booleans(), st.text(max_size=3))
NESTED = st.recursive(NUMBER, lambda inner: st.lists(inner, max_size=5), max_leaves=30)
GEOMETRY = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Polygon", "MultiPolygon", "Point", "GeometryCollection", 5, None]),
        "coordinates": NESTED,
    },
    optional={"geometries": NESTED, "crs": NESTED},
)


def sentence_of(parse: Callable[..., object], *arguments: object) -> str:
    """Return what a refusal says, or TAKEN; anything but a refusal fails the test."""
    try:
        parse(*arguments)
    except UserError as error:
        return error.message
    return TAKEN


@pytest.fixture(scope="module")
def raster(tmp_path_factory):
    path = tmp_path_factory.mktemp("raster") / "source.tif"
    profile = {"driver": "GTiff", "width": 32, "height": 24, "count": 1, "dtype": "uint8"}
    with rasterio.open(
        path, "w", crs="EPSG:32650", transform=rasterio.Affine(1, 0, 5e5, 0, -1, 4e6), **profile
    ) as target:
        target.write(np.ones((1, 24, 32), np.uint8))
    return path


@pytest.mark.parametrize("ending", TEXTS)
def test_side_files_of_text(raster, tmp_path_factory, ending):
    folder = tmp_path_factory.mktemp("side")

    @given(text=TEXTS[ending])
    @settings(max_examples=40, deadline=None)
    def attach(text):
        source, sent = folder / "source.tif", folder / "sent"
        for path in folder.iterdir():
            path.unlink()
        shutil.copyfile(raster, source)
        sent.write_text(text, encoding="utf-8", errors="surrogatepass")
        if sentence_of(attach_side_file, sent, source, f"scene{ending}") != TAKEN:
            assert {path.name for path in folder.iterdir()} <= {"source.tif", "sent"}

    attach()


@given(text=st.one_of(RPC, st.text(max_size=200)))
@settings(max_examples=80, deadline=None)
def test_rational_polynomials(text):
    assert len(sentence_of(parse_rpc, text)) > 10


def test_areas(raster):
    @given(geometry=GEOMETRY)
    @settings(max_examples=80, deadline=None)
    def read(geometry):
        assert len(sentence_of(read_area, raster, geometry)) > 10

    read()


@given(text=st.one_of(st.text(max_size=300), st.lists(st.text(",ab \n", max_size=9)).map("\n".join)))
def test_class_lists(text):
    assert len(sentence_of(parse_classes, text)) > 10


@given(
    header=st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from(["10.0.0.1", "::1", "[::1]:80", "1.2.3.4:5", "x", ""])).map(",".join),
    )
)
def test_forwarded_addresses(header):
    found = {}
    environ = {"REMOTE_ADDR": "10.0.0.2", "HTTP_X_FORWARDED_FOR": header}
    ForwardedAddress(lambda environ, _: found.update(environ) or [], ["10.0.0.0/8"])(environ, lambda *_: None)
    assert set(found["REMOTE_ADDR"]) <= set("0123456789abcdef:.%") or "%" in found["REMOTE_ADDR"]


@given(sent=st.one_of(st.none(), st.text(max_size=80)))
def test_request_ids(sent):
    assert WELL_FORMED_ID.fullmatch(choose_request_id(sent))
