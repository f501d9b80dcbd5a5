from collections import Counter

from similar_cases.evaluate.anatomy_classes import coarse_class, coarse_classes, merged

SIDED = (
    "kidney adrenal_gland iliac_artery iliac_vena humerus scapula clavicula femur hip gluteus_maximus gluteus_medius"
)
SINGLE = (
    "spleen gallbladder liver stomach aorta inferior_vena_cava portal_vein_and_splenic_vein pancreas "
    "lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right lung_middle_lobe_right lung_lower_lobe_right "
    "esophagus trachea heart_myocardium heart_atrium_left heart_ventricle_left heart_atrium_right "
    "heart_ventricle_right pulmonary_artery brain small_bowel duodenum colon sacrum face urinary_bladder"
)


def classes_of_v1():
    """Return the names of the masks in version 1 of the data set."""
    sided = [*SIDED.split(), "gluteus_minimus", "autochthon", "iliopsoas"]
    yield from SINGLE.split()
    yield from (f"{name}_{side}" for name in sided for side in ("left", "right"))
    yield from (f"rib_{side}_{n}" for side in ("left", "right") for n in range(1, 13))
    yield from (
        f"vertebrae_{region}{n}" for region, count in zip("LTC", (5, 12, 7), strict=True) for n in range(1, count + 1)
    )


def test_the_104_classes_become_29():
    names = list(classes_of_v1())
    assert len(names) == len(set(names)) == 104
    found = Counter(map(coarse_class, names))
    assert set(found) == set(coarse_classes())
    assert len(found) == 29
    assert (found["vertebrae"], found["ribs"], found["muscles"], found["lung"]) == (24, 24, 10, 5)


def test_version_2_has_classes_of_its_own():
    assert coarse_class("thyroid_gland") == "thyroid_gland"
    assert coarse_class("atrial_appendage_left") == "heart"


def test_slices_of_merged_classes_are_joined():
    assert merged({"rib_left_1": [3, 4], "rib_right_9": [1, 4], "liver": []}) == {"ribs": [1, 3, 4], "liver": []}
