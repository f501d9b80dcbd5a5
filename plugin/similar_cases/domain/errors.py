"""What can go wrong, and whether trying again can help.

::

    SimilarCasesError
    ├── InvalidRequest          the caller's words are off                            400
    │   └── InvalidUid          not a DICOM UID                                       400
    ├── NotAllowed              the caller has no right to that study                 403
    ├── NotFound                nothing under that UID                                404
    ├── NotAcceptable           no media type of ours fits the caller's Accept        406
    ├── TooLarge                over a bound that protects the archive                413
    ├── NotReady                known, but not indexed yet                            409
    ├── Refused                 a series that makes no volume, with the reason        422
    │   ├── NotAVolume          localizer, secondary capture, RGB, one slice …        422
    │   └── MalformedDicom      an object that breaks its own rules                   422
    ├── SegmentationFailed      the prompt gave no region                             422
    ├── SegmenterUnavailable    a segmenter elsewhere does not answer (retryable)         503
    ├── DescriptionFailed       a region that cannot be described                     422
    ├── PacsUnavailable         the PACS does not answer (retryable)                  503
    │   └── IncompleteTransfer  fewer instances came than QIDO lists (retryable)      503
    ├── StoreFailed             the PACS did not keep what was sent (retryable)       502
    ├── LeaseLost               the job was taken away meanwhile                      409
    ├── WrongEmbeddingSpace     a vector of one space met an index of another         500
    └── InvalidSettings         a setting that cannot work                            500

The HTTP statuses are mapped in one table, ``web/respond.py``.
"""


class SimilarCasesError(Exception):
    """Something went wrong in Similar Cases."""

    #: True where the same act may succeed later without anybody changing anything.
    retryable = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__class__.__doc__)


class InvalidRequest(SimilarCasesError):
    """The request cannot be understood."""


class InvalidUid(InvalidRequest):
    """Not a DICOM UID (PS3.5 section 9.1: at most 64 digits and dots)."""


class NotFound(SimilarCasesError):
    """The archive has nothing under that identifier."""


class NotAllowed(SimilarCasesError):
    """The caller has no right to that study."""


class NotAcceptable(SimilarCasesError):
    """None of the media types offered fits the request's Accept."""


class TooLarge(SimilarCasesError):
    """The input is larger than the bound that protects the archive."""


class NotReady(SimilarCasesError):
    """The series is known, but not indexed yet."""

    retryable = True


class Refused(SimilarCasesError):
    """The series is refused."""


class NotAVolume(Refused):
    """The series makes no regular 3-D volume."""


class MalformedDicom(Refused):
    """The DICOM object breaks its own rules."""


class SegmentationFailed(SimilarCasesError):
    """The prompt gave no region."""


class SegmenterUnavailable(SimilarCasesError):
    """The segmenter, which runs elsewhere, does not answer."""

    retryable = True


class DescriptionFailed(SimilarCasesError):
    """The region cannot be described."""


class PacsUnavailable(SimilarCasesError):
    """The PACS does not answer."""

    retryable = True


class IncompleteTransfer(PacsUnavailable):
    """Fewer instances came than the PACS lists."""


class StoreFailed(SimilarCasesError):
    """The PACS did not keep what was sent."""

    retryable = True


class LeaseLost(SimilarCasesError):
    """The job was taken away meanwhile: its series is gone, or another worker has it."""


class WrongEmbeddingSpace(SimilarCasesError):
    """A vector of one embedding space met an index of another."""


class InvalidSettings(SimilarCasesError):
    """A setting that cannot work."""
