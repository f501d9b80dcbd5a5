"""The options of ``find``: what each is called on the command line, and what its help says."""

from typing import Annotated

import typer

SeriesUid = Annotated[str, typer.Option(help="Series Instance UID.")]
StudyUid = Annotated[
    str, typer.Option(help="Study Instance UID: of the series, looked up where it is left out; or asked about.")
]
TrackingUid = Annotated[str, typer.Option(help="Tracking UID of a region.")]
Points = Annotated[
    list[str] | None, typer.Option(help="A point inside a lesion, LPS mm, as 12.5,-30,80; may be given again.")
]
Box = Annotated[str, typer.Option(help="A box round a lesion, LPS mm: lower x,y,z and upper x,y,z.")]
At = Annotated[str, typer.Option(help="Where answers should lie: x,y,z LPS mm in the series.")]
AtRelative = Annotated[str, typer.Option(help="The same as k,j,i of the volume, each from 0 to 1.")]
AtBody = Annotated[str, typer.Option(help="The same as a body coordinate x,y,z mm.")]
Radiomics = Annotated[
    list[str] | None,
    typer.Option(help="A feature, as shape_VoxelVolume=20000, =90% for a percentile; :2 behind it is its weight."),
]
Words = Annotated[str, typer.Option(help="Words on what is sought.")]
Like = Annotated[list[str] | None, typer.Option(help="UID of a case, region or series that is alike.")]
Unlike = Annotated[list[str] | None, typer.Option(help="UID of one that is not.")]
RankBy = Annotated[str, typer.Option(help="Name of a ranking.")]
Top = Annotated[int, typer.Option(min=1, help="How many cases.")]
SamePatient = Annotated[bool, typer.Option("--include-same-patient", help="The patient's own too.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
