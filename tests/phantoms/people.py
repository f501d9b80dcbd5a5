"""Names in many scripts."""

from pydicom import Dataset

from tests.phantoms.classic import Grid, series

#: name of the phantom: (Specific Character Set, the name as DICOM writes it in all groups)
NAMES: dict[str, tuple[str | list[str], str]] = {
    "name-japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "name-japanese-kana": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    "name-korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "name-chinese": ("GB18030", "Wang^XiaoDong=王^小东"),
    "name-arabic": ("ISO_IR 127", "قباني^لنزار"),
    "name-cyrillic": ("ISO_IR 144", "Люкceмбypг"),
    "name-greek": ("ISO_IR 126", "Διονυσιος"),
    "name-utf8": ("ISO_IR 192", "Buc^Jérôme"),
}


def named(name: str) -> list[Dataset]:
    """A small CT of a patient whose name needs its character set."""
    charset, person = NAMES[name]
    found = series(name, grid=Grid(shape=(4, 16, 16)))
    for one in found:
        one.SpecificCharacterSet, one.PatientName = charset, person
    return found
