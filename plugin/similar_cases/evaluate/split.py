"""Which patients a number is measured on."""

from enum import StrEnum


class Split(StrEnum):
    """Which patients."""

    #: patients on whom weights were trained: what is measured on them is no proof
    TRAINING = "training"
    #: patients of trained data sets whom the weights never saw, though the best weights were chosen on them
    VALIDATION = "validation"
    #: data sets that neither trained nor chose anything
    TEST = "test"
