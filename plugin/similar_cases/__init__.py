"""Similar Cases: finds, in a hospital's own archive, the cases that look like the one on the screen.

The packages, in the order in which data flows through them:

``bridge``    inside Orthanc: nudges the worker, and forwards ``/similar-cases/*`` to it (standard library alone)
``wire``      what bridge, worker and page agree on: routes, messages, field names (standard library alone)
``domain``    the words: frozen value objects and the tree of errors (numpy and the standard library)
``pacs``      how studies come in and results go out: DICOMweb, DIMSE, a folder, Orthanc's feed of changes
``volume``    DICOM instances of one series become regular grids in LPS millimetres
``models``    weights of networks that the site has: kinds, files and their hashes; and what our networks share
``segment``   prompts become regions
``describe``  regions become radiomics, embeddings and a location
``record``    regions and descriptions become DICOM SEG and SR
``index``     the catalogue (the truth, in SQL) and the similarity structures derived from it
``rank``      filters, fusion of the parts of a score, and the reasons
``jobs``      the durable queue
``pipeline``  the only place that knows the order: ingest, find similar, forget, reindex
``worker``    the loop that takes jobs, and the reconciliation with the PACS
``web``       HTTP: the DICOMweb-style endpoint and the page
``evaluate``  the papers' protocols, on any dataset
``cli``       the command ``similar-cases``; ``settings`` and ``bootstrap`` beside it wire everything
``demo``      phantoms and public lesions, and the run that shows the product at work

Research software. Not a medical device.
"""
