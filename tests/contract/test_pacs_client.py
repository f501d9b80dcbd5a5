"""Every PacsClient behaves alike: a folder, and DICOMweb on real Orthancs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless
from tests.orthanc_server import OrthancServer, Version, orthanc_server, why_not

from similar_cases.demo.annotations import segmentation_of, structure_set_of
from similar_cases.demo.phantoms import Phantom, lesion_mask, phantom_series
from similar_cases.domain.errors import MalformedDicom, NotFound, Refused, StoreFailed
from similar_cases.domain.references import SeriesRef
from similar_cases.pacs.client import PacsClient, uids_of
from similar_cases.pacs.dicomweb import DicomWebClient
from similar_cases.pacs.folder import FolderPacs
from similar_cases.pacs.orthanc_changes import OrthancFeed
from similar_cases.pacs.parse import Bounds, series_of

SMALL = Phantom(shape=(6, 32, 40), spacing_mm=(4.0, 3.0, 2.5), lesion_lps=(5.0, 0.0, 0.0), lesion_radius_mm=10.0)
JAPANESE = replace(SMALL, patient_id="P^日本", patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう")

#: makes a client with given bounds on one and the same archive
Connect = Callable[[Bounds], PacsClient]


@pytest.fixture(scope="module")
def orthancs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Version], OrthancServer]]:
    with ExitStack() as stack:
        running: dict[str, OrthancServer] = {}

        def of(version: Version) -> OrthancServer:
            if version not in running:
                folder = tmp_path_factory.mktemp(version)
                running[version] = stack.enter_context(orthanc_server(folder, version=version))
            running[version].clear()
            return running[version]

        yield of


@pytest.fixture(
    params=[
        "folder",
        *(
            pytest.param((name, rest), id=f"{name}{'-rest' if rest else ''}", marks=mark)
            for name, mark in (("debian", pytest.mark.orthanc), ("forky", pytest.mark.forky))
            for rest in (False, True)
        ),
    ]
)
def connect(request: pytest.FixtureRequest, tmp_path: Path, orthancs: Callable[[Version], OrthancServer]) -> Connect:
    if request.param == "folder":
        return lambda bounds: FolderPacs(tmp_path, bounds)
    version, by_rest = request.param
    if reason := why_not(version):
        flag = "--require-orthanc" if version == "debian" else "--require-forky"
        (pytest.fail if request.config.getoption(flag) else pytest.skip)(reason)
    orthanc = orthancs(version)
    rest = OrthancFeed(orthanc.url) if by_rest else None
    return lambda bounds: DicomWebClient(orthanc.process.dicomweb_url, bounds=bounds, rest=rest)


@pytest.fixture
def client(connect: Connect) -> PacsClient:
    return connect(Bounds())


def as_file(instance: Dataset) -> bytes:
    buffer = BytesIO()
    instance.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_what_was_stored_comes_back_byte_for_byte(client: PacsClient) -> None:
    sent = phantom_series(JAPANESE)
    client.store_instances(sent)
    came = client.retrieve_series(series_of(sent[0]))
    assert [instance.SOPInstanceUID for instance in came] == uids_of(sent)
    wanted = {instance.SOPInstanceUID: as_file(instance) for instance in sent}
    assert all(as_file(instance) == wanted[instance.SOPInstanceUID] for instance in came)
    assert str(came[0].PatientName).split("=")[1] == "山田^太郎"


def test_search_lists_series_and_instances_in_the_order_of_their_uids(client: PacsClient) -> None:
    ct = phantom_series(SMALL)
    mr = phantom_series(replace(SMALL, modality="MR", shape=(4, 32, 40)))
    other = phantom_series(replace(SMALL, patient_id="OTHER", shape=(3, 32, 40)))
    for series in (ct, mr, other):
        client.store_instances(series)
    assert client.search_instances(series_of(mr[0])) == uids_of(mr)
    listings = client.search_series()
    assert [listing.series.series_uid for listing in listings] == sorted(
        s[0].SeriesInstanceUID for s in (ct, mr, other)
    )
    known = {listing.series: (listing.modality, listing.instance_count) for listing in listings}
    assert known == {series_of(ct[0]): ("CT", 6), series_of(mr[0]): ("MR", 4), series_of(other[0]): ("CT", 3)}
    of_study = client.search_series(ct[0].StudyInstanceUID)
    assert {listing.series for listing in of_study} == {series_of(ct[0]), series_of(mr[0])}


def test_an_empty_archive_has_nothing(client: PacsClient) -> None:
    nothing = SeriesRef("1.2.3", "1.2.3.4")
    assert client.search_series() == []
    assert client.search_series("1.2.3") == []
    assert client.search_instances(nothing) == []
    with pytest.raises(NotFound, match=r"1\.2\.3\.4"):
        client.retrieve_series(nothing)
    client.store_instances([])


def test_a_series_under_another_study_is_not_found(client: PacsClient) -> None:
    sent = phantom_series(SMALL)
    client.store_instances(sent)
    elsewhere = SeriesRef("1.2.3", sent[0].SeriesInstanceUID)
    assert client.search_instances(elsewhere) == []
    with pytest.raises(NotFound):
        client.retrieve_series(elsewhere)


def test_storing_again_is_no_error_and_adds_nothing(client: PacsClient) -> None:
    sent = phantom_series(SMALL)
    client.store_instances(sent)
    client.store_instances(sent)
    client.store_instances(sent[:2])
    assert client.search_series()[0].instance_count == len(sent)


def test_another_object_under_a_uid_that_is_taken_is_told(client: PacsClient) -> None:
    sent = phantom_series(SMALL)
    client.store_instances(sent)
    bigger = phantom_series(replace(SMALL, shape=(6, 64, 40)))
    assert bigger[0].SOPInstanceUID == sent[0].SOPInstanceUID
    with pytest.raises(StoreFailed, match=r"Pixel Data|refused"):
        client.store_instances(bigger[:1])
    assert client.retrieve_series(series_of(sent[0]))[0].Rows == 32


def test_segmentation_and_structure_set_survive(client: PacsClient) -> None:
    series = phantom_series(SMALL)
    mask = lesion_mask(SMALL)
    for made in (segmentation_of(series, mask, "läsion"), structure_set_of(series, mask, "läsion")):
        client.store_instances([made])
        (came,) = client.retrieve_series(series_of(made))
        assert as_file(came) == as_file(made)


def test_one_request_stores_instances_of_several_patients(client: PacsClient) -> None:
    phantoms = [replace(SMALL, patient_id=f"P{n}", shape=(2, 32, 40)) for n in range(3)]
    client.store_instances([instance for phantom in phantoms for instance in phantom_series(phantom)])
    assert [listing.instance_count for listing in client.search_series()] == [2, 2, 2]


@pytest.mark.parametrize(
    "transfer_syntax",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, JPEG2000Lossless],
    ids=lambda uid: uid.keyword,
)
def test_every_transfer_syntax_comes_untouched(client: PacsClient, transfer_syntax: str) -> None:
    instance = phantom_series(SMALL)[0]
    pixels = instance.pixel_array
    if transfer_syntax == JPEG2000Lossless:
        instance.compress(JPEG2000Lossless, generate_instance_uid=False)
        sent = instance
    else:
        if transfer_syntax == ExplicitVRBigEndian:
            instance.PixelData = pixels.astype(">u2").tobytes()
        buffer = BytesIO()
        instance.file_meta.TransferSyntaxUID = transfer_syntax
        little = transfer_syntax != ExplicitVRBigEndian
        instance.save_as(buffer, implicit_vr=transfer_syntax == ImplicitVRLittleEndian, little_endian=little)
        sent = dcmread(BytesIO(b"\0" * 128 + b"DICM" + buffer.getvalue()))
    client.store_instances([sent])
    (came,) = client.retrieve_series(series_of(sent))
    assert came.file_meta.TransferSyntaxUID == transfer_syntax
    assert np.array_equal(came.pixel_array, pixels)


def test_an_instance_without_file_meta_information_is_not_sent(client: PacsClient) -> None:
    instance = Dataset(phantom_series(SMALL)[0])
    with pytest.raises(StoreFailed, match="file meta"):
        client.store_instances([instance])


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [(Bounds(max_instances=5), "6 instances"), (Bounds(max_instance_bytes=2000), "2000 bytes")],
)
def test_a_series_over_the_bounds_is_refused(connect: Connect, bounds: Bounds, reason: str) -> None:
    sent = phantom_series(SMALL)
    connect(Bounds()).store_instances(sent)
    with pytest.raises(Refused, match=reason):
        connect(bounds).retrieve_series(series_of(sent[0]))


def test_a_series_over_all_bytes_is_refused(connect: Connect) -> None:
    sent = phantom_series(SMALL)
    connect(Bounds()).store_instances(sent)
    size = len(as_file(sent[0]))
    with pytest.raises(Refused, match="series is larger"):
        connect(Bounds(max_series_bytes=3 * size)).retrieve_series(series_of(sent[0]))


def test_nested_sequences_are_refused_before_anybody_walks_them(connect: Connect) -> None:
    instance = phantom_series(SMALL)[0]
    inner = Dataset()
    inner.TextValue = "bottom"
    for _ in range(12):
        outer = Dataset()
        outer.ContentSequence = [inner]
        inner = outer
    instance.ContentSequence = [inner]
    connect(Bounds()).store_instances([instance])
    assert len(connect(Bounds()).retrieve_series(series_of(instance))) == 1
    with pytest.raises(MalformedDicom, match="nested deeper than 8"):
        connect(Bounds(max_nesting=8)).retrieve_series(series_of(instance))


def test_one_instance_is_retrieved_by_its_study_alone(client: PacsClient) -> None:
    images = phantom_series(SMALL)
    client.store_instances(images)
    found = client.retrieve_instance(str(images[2].StudyInstanceUID), str(images[2].SOPInstanceUID))
    assert as_file(found) == as_file(
        client.retrieve_series(series_of(images[2]))[uids_of(images).index(found.SOPInstanceUID)]
    )
    with pytest.raises(NotFound):
        client.retrieve_instance(str(images[2].StudyInstanceUID), "1.2.3")
    with pytest.raises(NotFound):
        client.retrieve_instance("1.2.3", str(images[2].SOPInstanceUID))


def test_what_is_taken_back_is_gone_and_the_rest_stays(client: PacsClient, request: pytest.FixtureRequest) -> None:
    images = phantom_series(SMALL)
    client.store_instances(images)
    series, uids = series_of(images[0]), uids_of(images)
    client.remove_instances(replace(series, study_uid="2.25.1"), uids)
    assert client.search_instances(series) == uids
    for _ in range(2):  # gone already is no error
        client.remove_instances(series, uids[:2])
    # DICOMweb alone knows no deletion
    by_dicomweb_alone = request.node.callspec.params["connect"] in (("debian", False), ("forky", False))
    assert client.search_instances(series) == (uids if by_dicomweb_alone else uids[2:])
