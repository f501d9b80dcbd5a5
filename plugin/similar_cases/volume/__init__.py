"""DICOM instances of one Series become regular grids in LPS millimetres.

Read in this order: ``build`` (the steps), ``suitable`` (what makes no volume), ``slices`` (headers to planes),
``separate`` (several volumes in one Series), ``layout`` (planes to a grid), ``voxels`` (numbers), ``suv``;
``facts`` (what the headers say of the patient) and ``resample`` stand alone.
"""
