"""What a test measured, told as one line of JSON."""

import json
import os
from pathlib import Path


def tell(about: str, **figures: object) -> None:
    """Print figures; append them to the file that the variable FIGURES names, where it names one."""
    line = json.dumps({"about": about, **figures})
    print(line)  # noqa: T201
    if named := os.environ.get("FIGURES"):
        with Path(named).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
