"""Several volumes in one series, and places that occur twice."""

from pydicom import Dataset

from tests.phantoms.classic import MR, ramp_hu, series, tissue_hu


def three_phases(name: str = "three-phases") -> list[Dataset]:
    """A CT with native, arterial and venous phase at the same positions; the lesion takes up contrast."""
    found: list[Dataset] = []
    for phase in range(3):
        found += series(
            name,
            values=lambda at, more=50.0 * phase: tissue_hu(at) + more * (tissue_hu(at) > ramp_hu(at)),
            start=100 * phase,
            AcquisitionNumber=phase + 1,
            AcquisitionTime=f"08{20 + phase}00",
        )
    return found


def three_phases_unexplained(name: str = "three-phases-unexplained") -> list[Dataset]:
    """Three phases that no attribute tells apart; only their Instance Numbers follow an order."""
    found: list[Dataset] = []
    for phase in range(3):
        found += series(name, values=lambda at, more=10.0 * phase: tissue_hu(at) + more, start=100 * phase)
    return found


def echoes(name: str = "echoes") -> list[Dataset]:
    """An MR with two echoes, magnitude and phase of each: four volumes by two attributes."""
    found: list[Dataset] = []
    for number, (echo, part) in enumerate([(5.0, "M"), (5.0, "P"), (12.0, "M"), (12.0, "P")]):
        found += series(
            name,
            sop_class=MR,
            values=lambda at, more=100.0 * number: tissue_hu(at) + more,
            start=100 * number,
            EchoTime=echo,
            ImageType=["ORIGINAL", "PRIMARY", part],
        )
    return found


def diffusion(name: str = "diffusion") -> list[Dataset]:
    """An MR with three b-values."""
    found: list[Dataset] = []
    for number, b_value in enumerate((0.0, 400.0, 800.0)):
        found += series(
            name,
            sop_class=MR,
            values=lambda at, less=b_value / 10: tissue_hu(at) - less,
            start=100 * number,
            DiffusionBValue=b_value,
        )
    return found


def duplicated_positions(name: str = "duplicated-positions") -> list[Dataset]:
    """A CT of which every image came twice, under a new UID and a new time."""
    return series(name) + series(name, start=50, AcquisitionTime="093000", ContentTime="093000")


def one_duplicate(name: str = "one-duplicate") -> list[Dataset]:
    """A CT of which one image came twice."""
    return series(name) + series(name, start=50)[4:5]
