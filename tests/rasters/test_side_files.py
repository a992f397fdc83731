"""Every kind of side file changes what is read from its raster; wrong ones are refused and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS

from server.errors import BadParameter
from server.rasters.opening import open_raster
from server.rasters.side_files import attach_side_file, list_side_files, read_state

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
SUFFIX_OF = {"GTiff": ".tif", "PNG": ".png", "JPEG": ".jpg", "JP2OpenJPEG": ".jp2"}
WORLD = "2.0\n0.0\n0.0\n-2.0\n500001.0\n4399999.0\n"
PLACED = Affine(2.0, 0.0, 500_000.0, 0.0, -2.0, 4_400_000.0)
ESRI_UTM = (
    'PROJCS["WGS_1984_UTM_Zone_50N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,'
    '298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",117.0],'
    'PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)
PAM = """<PAMDataset>
  <SRS>EPSG:32650</SRS>
  <GeoTransform>5.0e+05, 2.0, 0.0, 4.4e+06, 0.0, -2.0</GeoTransform>
  <Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/vsicurl/http://127.0.0.1/a.tif</MDI></Metadata>
  <Metadata domain="GEOLOCATION"><MDI key="X_DATASET">/etc/passwd</MDI></Metadata>
  <Subdataset name="x"><PAMDataset/></Subdataset>
  <PAMRasterBand band="2">
    <Description>near infrared</Description>
    <NoDataValue>33</NoDataValue>
    <Metadata><MDI key="STATISTICS_MAXIMUM">77</MDI></Metadata>
  </PAMRasterBand>
</PAMDataset>"""
ESRI_PAM = """<PAMDataset><Metadata domain="xml:ESRI" format="xml">
<GeodataXform xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:typens="http://www.esri.com/schemas/ArcGIS/10.7" xsi:type="typens:PolynomialXform">
<PolynomialOrder>1</PolynomialOrder>
<SpatialReference xsi:type="typens:ProjectedCoordinateSystem"><WKT>{wkt}</WKT></SpatialReference>
<SourceGCPs xsi:type="typens:ArrayOfDouble"><Double>0</Double><Double>-0</Double><Double>64</Double><Double>-0</Double>
<Double>0</Double><Double>-48</Double></SourceGCPs>
<TargetGCPs xsi:type="typens:ArrayOfDouble"><Double>500000</Double><Double>4400000</Double><Double>500128</Double>
<Double>4400000</Double><Double>500000</Double><Double>4399904</Double></TargetGCPs>
</GeodataXform></Metadata></PAMDataset>"""
COEFFICIENTS = [f"{number}.5E-3" for number in range(1, 21)]


def attach(source: Path, name: str, content: str | bytes) -> Path:
    """Attach `content` as a client would have sent it."""
    staged = source.parent / "staged-upload"
    staged.write_bytes(content.encode() if isinstance(content, str) else content)
    return attach_side_file(staged, source, name)


@pytest.fixture
def bare(make_raster: Callable[..., Path]) -> Callable[[str], Path]:
    """Return a writer of rasters without any georeferencing, in a folder of their own."""
    return lambda driver: make_raster(f"raster/source{SUFFIX_OF[driver]}", crs=None, driver=driver)


@pytest.mark.parametrize("driver", SUFFIX_OF)
@pytest.mark.parametrize("name", ["Scene.TFW", "scene.wld", "scene.jgw", "scene.j2w", "影像.pgw"])
def test_world_file(bare: Callable[[str], Path], driver: str, name: str) -> None:
    source = bare(driver)
    target = attach(source, name, "\ufeff" + WORLD.replace("\n", "\r\n"))
    assert target.parent == source.parent
    assert list_side_files(source) == [target.name]
    with open_raster(source) as raster:
        assert raster.transform == PLACED


@pytest.mark.parametrize("driver", SUFFIX_OF)
@pytest.mark.parametrize("text", [ESRI_UTM, "EPSG:32650", "+proj=utm +zone=50 +datum=WGS84", CRS.from_epsg(32650).wkt])
@pytest.mark.parametrize("first", ["scene.prj", "scene.wld"])
def test_projection(bare: Callable[[str], Path], driver: str, text: str, first: str) -> None:
    source = bare(driver)
    contents = {"scene.prj": text, "scene.wld": WORLD}
    for name in (first, *(contents.keys() - {first})):
        attach(source, name, contents[name])
    with open_raster(source) as raster:
        assert raster.crs.to_epsg() == 32650
        assert raster.transform == PLACED


def test_projection_does_not_replace_the_rasters_own(make_raster: Callable[..., Path]) -> None:
    source = make_raster("raster/source.tif", crs="EPSG:32649")
    attach(source, "a.prj", "EPSG:32650")
    with open_raster(source) as raster:
        assert raster.crs.to_epsg() == 32649
    assert list_side_files(source) == ["source.prj"]


def test_degrees_stay_longitude_first(bare: Callable[[str], Path]) -> None:
    source = bare("PNG")
    attach(source, "a.prj", "EPSG:4326")
    attach(source, "a.pgw", "0.1\n0\n0\n-0.1\n100.05\n39.95\n")
    with open_raster(source) as raster:
        assert raster.crs.to_epsg() == 4326
        assert raster.bounds.left == pytest.approx(100.0)
        assert raster.bounds.top == pytest.approx(40.0)


@pytest.mark.parametrize("driver", SUFFIX_OF)
def test_aux_xml(bare: Callable[[str], Path], driver: str) -> None:
    source = bare(driver)
    target = attach(source, "a.tif.aux.xml", PAM)
    assert target.name == f"{source.name}.aux.xml"
    with open_raster(source) as raster:
        assert raster.crs.to_epsg() == 32650
        assert raster.transform == PLACED
        assert raster.descriptions[1] == "near infrared"
        assert raster.nodatavals[1] == 33
        assert raster.tags(2)["STATISTICS_MAXIMUM"] == "77"
        assert raster.overviews(1) in ([], [2, 4, 8, 16, 32], [2])
    for word in ("vsicurl", "passwd", "Subdataset"):
        assert word not in target.read_text()


def test_aux_xml_of_arcgis(bare: Callable[[str], Path]) -> None:
    source = bare("JPEG")
    attach(source, "a.jpg.aux.xml", ESRI_PAM.format(wkt=ESRI_UTM))
    with open_raster(source) as raster:
        points, crs = raster.gcps
        assert crs.to_epsg() == 32650
        assert [(point.col, point.row, point.x, point.y) for point in points] == [
            (0, 0, 500_000, 4_400_000),
            (64, 0, 500_128, 4_400_000),
            (0, 48, 500_000, 4_399_904),
        ]


@pytest.mark.parametrize("order", [("a.prj", "a.aux.xml"), ("a.aux.xml", "a.prj")])
def test_projection_and_aux_xml_add_up(bare: Callable[[str], Path], order: tuple[str, str]) -> None:
    source = bare("GTiff")
    without_srs = PAM.replace("<SRS>EPSG:32650</SRS>", "")
    for name in order:
        attach(source, name, {"a.prj": "EPSG:32651", "a.aux.xml": without_srs}[name])
    with open_raster(source) as raster:
        assert raster.crs.to_epsg() == 32651
        assert raster.descriptions[1] == "near infrared"


def test_a_later_file_replaces_an_older_one(bare: Callable[[str], Path]) -> None:
    source = bare("PNG")
    attach(source, "a.prj", "EPSG:32651")
    attach(source, "a.prj", "EPSG:32650")
    attach(source, "a.wld", WORLD.replace("2.0", "3.0"))
    attach(source, "a.pgw", WORLD)
    with open_raster(source) as raster:
        assert raster.crs.to_epsg() == 32650
        assert raster.transform == PLACED
    assert list_side_files(source) == ["source.pgw", "source.png.aux.xml", "source.prj"]


@pytest.mark.parametrize("driver", SUFFIX_OF)
def test_overviews(make_raster: Callable[..., Path], driver: str) -> None:
    source = make_raster(f"raster/source{SUFFIX_OF[driver]}", driver=driver, size=(640, 400))
    # Another value than the raster's, so that what is read can only come from the overview.
    twin = make_raster("twin.tif", np.full((3, 400, 640), 250, dtype=np.uint8))
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(twin, "r+") as raster:
        raster.build_overviews([5, 10])
    attach_side_file(twin.with_name("twin.tif.ovr"), source, "a.ovr")
    with open_raster(source) as raster:
        assert raster.overviews(1) == [5, 10]
        assert set(np.unique(raster.read(1, out_shape=(80, 128)))) == {250}
        assert raster.read(1).mean() < 200


@pytest.mark.parametrize("driver", SUFFIX_OF)
@pytest.mark.parametrize("written_by_gdal", [True, False])
def test_mask(make_raster: Callable[..., Path], tmp_path: Path, driver: str, written_by_gdal: bool) -> None:
    source = make_raster(f"raster/source{SUFFIX_OF[driver]}", driver=driver)
    valid = np.zeros((48, 64), dtype=np.uint8)
    valid[10:20, 30:50] = 255
    if written_by_gdal:
        twin = make_raster("twin.tif")
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(twin, "r+") as raster:
            raster.write_mask(valid)
        mask = twin.with_name("twin.tif.msk")
    else:
        mask = make_raster("mask.msk", valid[np.newaxis], crs=None)
    attach_side_file(mask, source, "a.tif.msk")
    with open_raster(source) as raster:
        assert np.array_equal(raster.read_masks(2), valid)


def _rpb() -> str:
    axes = [
        (f"{axis}Offset = {value};", f"{axis}Scale = {value}.25;")
        for value, axis in enumerate(("line", "samp", "lat", "long", "height"), start=1)
    ]
    polynomials = [
        f"{name}Coef = (\n" + ",\n".join(COEFFICIENTS) + ");" for name in ("lineNum", "lineDen", "sampNum", "sampDen")
    ]
    lines = [line for pair in axes for line in pair] + polynomials
    return "BEGIN_GROUP = IMAGE\n" + "\n".join(lines) + "\nEND_GROUP = IMAGE\nEND;\n"


def _rpc_txt() -> str:
    lines = []
    for value, axis in enumerate(("LINE", "SAMP", "LAT", "LONG", "HEIGHT"), start=1):
        lines += [f"{axis}_OFF: +{value:06d}.00 pixels", f"{axis}_SCALE: +{value}.25 degrees"]
    for name in ("LINE_NUM", "LINE_DEN", "SAMP_NUM", "SAMP_DEN"):
        lines += [f"{name}_COEFF_{number}: {value}" for number, value in enumerate(COEFFICIENTS, start=1)]
    return "\n".join(lines)


@pytest.mark.parametrize("driver", SUFFIX_OF)
@pytest.mark.parametrize(("name", "make"), [("a.RPB", _rpb), ("a_rpc.txt", _rpc_txt)])
def test_rational_polynomials(bare: Callable[[str], Path], driver: str, name: str, make: Callable[[], str]) -> None:
    source = bare(driver)
    attach(source, name, make())
    with open_raster(source) as raster:
        assert (raster.rpcs.line_off, raster.rpcs.height_scale) == (1.0, 5.25)
        assert raster.rpcs.samp_den_coeff == [float(value) for value in COEFFICIENTS]


def test_erdas_overviews_are_kept(bare: Callable[[str], Path]) -> None:
    source = bare("GTiff")
    assert attach(source, "a.rrd", b"EHFA_HEADER_TAG" + bytes(20)).name == "source.rrd"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><PAMDataset><SRS>&b;</SRS></PAMDataset>'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tfw", "1\n0\n0\n-1\n0\n"),
        ("a.tfw", "1\n0\n0\nx\n0\n0\n"),
        ("a.tfw", "1\n0\n0\nnan\n0\n0\n"),
        ("a.tfw", "1\n2\n1\n2\n0\n0\n"),
        ("a.tfw", "0\n0\n0\n0\n5\n5\n"),
        ("a.tfw", "1 " * 200_000),
        ("a.tfw", b"\xff\xfe\x00\x01"),
        ("a.prj", "/etc/passwd"),
        ("a.prj", "http://127.0.0.1/crs"),
        ("a.prj", 'PROJCS["nothing"]'),
        ("a.prj", "EPSG:99999999"),
        ("a.prj", ""),
        ("a.aux.xml", "<VRTDataset/>"),
        ("a.aux.xml", "<PAMDataset>"),
        ("a.aux.xml", BOMB),
        ("a.aux.xml", BOMB.encode("utf-16")),
        ("a.aux.xml", "<PAMDataset>" + "<SRS>" * 5000 + "</SRS>" * 5000 + "</PAMDataset>"),
        ("a.aux.xml", "<PAMDataset><GeoTransform>0, 0, 0, 0, 0, 0</GeoTransform></PAMDataset>"),
        ("a.ovr", "<VRTDataset/>"),
        ("a.msk", b"II*\0" + bytes(100)),
        ("a.rrd", "nothing"),
        ("a.rpb", "lineOffset = 1;"),
        ("a_rpc.txt", "LINE_OFF: 1"),
        ("a_rpc.txt", _rpc_txt().replace("LAT_SCALE: +3.25", "LAT_SCALE: 0")),
        ("a.txt", "anything"),
    ],
)
def test_wrong_content_changes_nothing(bare: Callable[[str], Path], name: str, content: str | bytes) -> None:
    source = bare("GTiff")
    attach(source, "a.tfw", WORLD)
    attach(source, "a.aux.xml", PAM.replace("2.0, 0.0", "4.0, 0.0"))
    before = {path.name: path.read_bytes() for path in source.parent.iterdir()}
    with pytest.raises(BadParameter) as caught:
        attach(source, name, content)
    assert caught.value.field == "file"
    assert caught.value.message.endswith((".", ")."))
    (source.parent / "staged-upload").unlink(missing_ok=True)
    assert {path.name: path.read_bytes() for path in source.parent.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "size", "bands", "dtype"),
    [
        ("a.ovr", (64, 48), 3, "uint8"),
        ("a.ovr", (32, 40), 3, "uint8"),
        ("a.ovr", (32, 24), 1, "uint8"),
        ("a.ovr", (32, 24), 3, "uint16"),
        ("a.msk", (63, 48), 1, "uint8"),
        ("a.msk", (64, 48), 2, "uint8"),
        ("a.msk", (64, 48), 1, "float32"),
    ],
)
def test_companions_must_fit(
    make_raster: Callable[..., Path], name: str, size: tuple[int, int], bands: int, dtype: str
) -> None:
    source = make_raster("raster/source.tif")
    other = make_raster("other.tif", bands, size=size, dtype=dtype)
    with pytest.raises(BadParameter):
        attach_side_file(other, source, name)
    assert list_side_files(source) == []


def test_only_the_rasters_own_side_files_are_listed(make_raster: Callable[..., Path]) -> None:
    source = make_raster("raster/a.tif")
    for name in ("a.tfw", "A.tif.aux.xml", "a_rpc.txt", "ab.tfw", "b.prj", "a.txt"):
        source.with_name(name).touch()
    assert list_side_files(source) == ["A.tif.aux.xml", "a.tfw", "a_rpc.txt"]


def test_state_tells_changes(bare: Callable[[str], Path]) -> None:
    source = bare("GTiff")
    before = read_state(source)
    attach(source, "a.tfw", WORLD)
    assert read_state(source) != before
    assert read_state(source) == read_state(source)
