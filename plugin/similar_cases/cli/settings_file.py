"""A settings file with every setting, its default and its description, as people start from."""

import textwrap

from similar_cases.settings import ENV_PREFIX, SettingName, Settings, setting_names


def as_toml() -> str:
    """Return a settings file with every default, commented out, and every description."""
    lines = [
        "# Settings of the Similar Cases worker, as `similar-cases settings --as-toml` prints them.",
        "# Every value here is the default; remove the # before a name to change it.",
        f"# The environment wins over this file: {ENV_PREFIX}SECTION__NAME. Secrets come by environment alone.",
    ]
    for section, holder in Settings.model_fields.items():
        lines += ["", *_comment(str(holder.annotation.__doc__)), f"[{section}]"]
        for known in (known for known in setting_names() if known.section == section):
            lines += [*_comment(str(known.field.description)), _toml_line(known)]
    return "\n".join(lines) + "\n"


def _toml_line(known: SettingName) -> str:
    if known.is_secret:
        return f"# secret: {known.env}"
    if known.default is None:
        return f"# {known.name}: not set"
    return f"# {known.name} = {_toml_value(known.default)}"


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(word) for word in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml_value(word)}" for name, word in value.items()) + "}"
    return f'"{value}"'


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), 100, break_on_hyphens=False, initial_indent="# ", subsequent_indent="# "
    )
