"""How the models that are ours are made: one folder a model, each a MONAI bundle with the scripts that repeat it.

Run from the repository's root, each script as a module: ``python -m models.region.train --help``.
"""
