"""A command in place of TotalSegmentator, which cannot be installed here: it takes the same words, and by rule labels.

What it writes, it writes as TotalSegmentator 2.18.0 does: one NIfTI label map in the image's grid, its labels' names in
the header's extension (``nifti_ext_header.py``). Voxels over 300 are the liver, of these the right half a kidney.
"""

import stat
import sys
from pathlib import Path

_SCRIPT = """#!{python}
import argparse, json, os, pathlib, shutil, subprocess, sys, time
if "--version" in sys.argv:
    print("2.18.0")
    sys.exit()
parser = argparse.ArgumentParser()
parser.add_argument("-i", dest="input")
parser.add_argument("-o", dest="output")
parser.add_argument("-ml", "--ml", action="store_true")
parser.add_argument("-ot", "--output_type", nargs="+")
parser.add_argument("-ta", "--task", choices=["total", "total_mr"], default="total")
parser.add_argument("-d", "--device")
parser.add_argument("-q", "--quiet", action="store_true")
args = parser.parse_args()
assert args.ml and args.output_type == ["nifti"] and args.quiet
home = pathlib.Path(os.environ["TOTALSEG_HOME_DIR"])
told = dict(words=sys.argv[1:], environment=dict(os.environ), config=json.loads((home / "config.json").read_text()))
with open({log!r}, "a") as log:
    log.write(json.dumps(told) + chr(10))
{act}
"""
_LABELS = """
import nibabel, numpy
image = nibabel.load(args.input)
voxels = numpy.asanyarray(image.dataobj)
labels = numpy.zeros(voxels.shape, "uint8")
labels[voxels > 300] = 5
labels[: voxels.shape[0] // 2][voxels[: voxels.shape[0] // 2] > 300] = 2
names = {2: "kidney_right", 5: "liver", 6: "stomach"}
rows = ""
for key, name in names.items():
    rows += f'<Label Key="{key}" Red="0" Green="1" Blue="0" Alpha="1"><![CDATA[{name}]]></Label>' + chr(10)
xml = '<?xml version="1.0" encoding="UTF-8"?> <CaretExtension> <LabelTable>' + rows + "</LabelTable></CaretExtension>"
result = nibabel.Nifti1Image(labels, image.affine, image.header)
result.set_data_dtype("uint8")
result.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, xml.encode()))
nibabel.save(result, args.output)
"""
#: what the command does once it has read its words
ACTS = {
    "labels": _LABELS,
    "fails": 'print("CUDA out of memory"); sys.exit(3)',
    "writes nothing": "pass",
    "writes nonsense": 'pathlib.Path(args.output).write_bytes(b"nonsense")',
    "hangs": f"child = subprocess.Popen([{sys.executable!r}, '-c', 'import time; time.sleep(600)'])\n"
    "open(os.path.join(os.environ['HOME'], 'child'), 'w').write(str(child.pid))\n"
    "time.sleep(600)",
}


def copying(label_map: Path) -> str:
    """Return the act of giving a label map that is there already."""
    return f"shutil.copyfile({str(label_map)!r}, args.output)"


def stand_in(folder: Path, act: str = "labels") -> Path:
    """Write the command to a folder; beside it, ``log`` will have a line of JSON a run."""
    path = folder / "TotalSegmentator"
    path.write_text(_SCRIPT.format(python=sys.executable, log=str(folder / "log"), act=ACTS.get(act, act)))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
