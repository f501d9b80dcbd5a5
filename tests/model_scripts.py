"""The scripts of models/<bundle>/, which are no package: they import each other by their bare names."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

MODELS = Path(__file__).parents[1] / "models"


def script(bundle: str, name: str) -> ModuleType:
    """Return models/<bundle>/<name>.py as a module; one whose name another bundle uses too gets a name of its own."""
    folder = str(MODELS / bundle)
    if folder not in sys.path:
        sys.path.append(folder)
    if len(list(MODELS.glob(f"*/{name}.py"))) == 1:
        return importlib.import_module(name)
    unique = f"{bundle}_{name}"
    if unique not in sys.modules:
        spec = importlib.util.spec_from_file_location(unique, MODELS / bundle / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[unique] = module
        spec.loader.exec_module(module)
    return sys.modules[unique]
