"""What makes no volume, told from the headers alone, with the reason in words."""

from pydicom import Dataset
from pydicom.uid import UID

from similar_cases.volume import header

#: SOP Classes of which volumes are made (PS3.4 B.5) and the Modality that they are of
VOLUME_SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",  # enhanced
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",  # legacy converted enhanced
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
    "1.2.840.10008.5.1.4.1.1.128.1": "PT",
}

#: values of Image Type, of Frame Type or of Volume Based Calculation Technique, and what such an image is
_NO_VOLUME = {
    "LOCALIZER": "a localizer (scout)",
    "SCOUT": "a localizer (scout)",
    "TOPOGRAM": "a localizer (scout)",
    "SCREEN SAVE": "a saved screen",
    "SCREENSAVE": "a saved screen",
    "SCREEN": "a saved screen",
    "REPORT": "a report drawn as an image",
    "CSA REPORT": "a report drawn as an image",
    "DOSE_INFO": "a dose report drawn as an image",
    "MOSAIC": "a Siemens mosaic (many slices tiled in one image); export it as an enhanced or a slice-wise series",
    "MIP": "a projection, not a slice",
    "MNIP": "a projection, not a slice",
    "MAX_IP": "a projection, not a slice",
    "MIN_IP": "a projection, not a slice",
    "MINIP": "a projection, not a slice",
    "PROJECTION IMAGE": "a projection, not a slice",
    "THICK MIP": "a projection, not a slice",
    "CSA MIP": "a projection, not a slice",
    "VOLREN": "a rendering, not a slice",
    "VRT": "a rendering, not a slice",
    "VOLUME_RENDER": "a rendering, not a slice",
    "SURFACE_RENDER": "a rendering, not a slice",
    "CURVED_MPR": "a curved reformat, which lies on no straight grid",
    "RGB": "a colour image",
}


def modality_of(dataset: Dataset) -> str:
    """Return ``CT``, ``MR`` or ``PT`` by the SOP Class, which is Modality's own source; empty for anything else.

    >>> modality_of(Dataset())
    ''
    """
    return VOLUME_SOP_CLASSES.get(header.text(dataset, "SOPClassUID"), "")


def reason_against(dataset: Dataset) -> str:
    """Tell why no volume can be made of an Instance; empty where it can.

    >>> image = Dataset()
    >>> image.SOPClassUID, image.Modality = "1.2.840.10008.5.1.4.1.1.7", "CT"
    >>> reason_against(image)
    'a Secondary Capture Image, not an image of CT, MR or PET'
    """
    if not modality_of(dataset):
        name = UID(header.text(dataset, "SOPClassUID")).name.removesuffix(" Storage")
        return f"{_article(name)} {name}, not an image of CT, MR or PET" if name else "an object without a SOP Class"
    photometric = header.text(dataset, "PhotometricInterpretation")
    if (header.whole(dataset, "SamplesPerPixel") or 1) != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        return f"a colour image (Photometric Interpretation {photometric or 'absent'})"
    kind = reason_in(header.words(dataset, "ImageType"))
    return kind or reason_in(header.words(dataset, "VolumeBasedCalculationTechnique"))


def reason_in(types: tuple[str, ...]) -> str:
    """Tell why an image of these Image Type or Frame Type values makes no volume; empty where it can.

    >>> reason_in(("ORIGINAL", "PRIMARY", "LOCALIZER"))
    'a localizer (scout)'
    """
    return next((_NO_VOLUME[one] for one in (value.upper() for value in types) if one in _NO_VOLUME), "")


def _article(name: str) -> str:
    return "an" if name[:1] in "AEIOURX" and not name.startswith("US") else "a"
