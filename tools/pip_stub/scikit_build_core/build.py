"""Stands in for carquet's build backend while tools/deps downloads its source archive.

pip asks the backend of every source archive for its metadata, even when it only downloads. The real backend would be
fetched and run for that; this one answers and does nothing.
"""
import pathlib


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = pathlib.Path(metadata_directory) / "carquet-0.7.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: carquet\nVersion: 0.7.2\n")
    (folder / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: moescope\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    return folder.name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise RuntimeError("carquet is built by cmake/carquet.cmake, not as a wheel")
