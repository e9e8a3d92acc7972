"""Stands in for the build backend of a source archive while tools/deps downloads it (carquet, llama-cpp-python).

pip asks the backend of every source archive for its metadata, even when it only downloads. The real backend would be
fetched and run for that; this one answers and does nothing. PIP_STUB names the archive: "carquet-0.7.2".
"""
import os
import pathlib

NAME, VERSION = os.environ["PIP_STUB"].rsplit("-", 1)


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = pathlib.Path(metadata_directory) / f"{NAME}-{VERSION}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n")
    (folder / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: moescope\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    return folder.name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise RuntimeError(f"{NAME} is not built as a wheel here")
