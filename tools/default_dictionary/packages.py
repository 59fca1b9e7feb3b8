"""The public packages whose text trains the default dictionary, downloaded and unpacked."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tools.default_dictionary.patterns import words

CAMPAIGNS = words("did dm dw ei httt l low nr sof sotbe thot trow tsg ttb utbs")
"""Stories of the game Wesnoth."""

DEBIAN = {
    "anarchism": "15.3-3",
    "bsdgames": "2.17-29+b1",
    "calendar": "12.1.8",
    "crawl-common": "2:0.28.0-1.1",
    "debian-handbook": "11.20220922",
    "debian-reference-en": "2.100",
    "developers-reference": "12.18",
    "dict-devil": "1.0-13.1",
    "dict-foldoc": "20230119-1",
    "dict-freedict-eng-fra": "2022.04.21-1",
    "dict-freedict-eng-spa": "2022.04.21-1",
    "dict-freedict-fra-eng": "2022.04.21-1",
    "dict-freedict-spa-eng": "2022.04.21-1",
    "dict-gcide": "0.48.5+nmu2",
    "dict-jargon": "4.4.7-3.1",
    "dict-vera": "1:1.24-1",
    "dict-wn": "1:3.0-37",
    "endless-sky-data": "0.9.8-1.2",
    "fortunes": "1:1.99.1-7.3",
    "freeciv-data": "3.0.6-1+deb12u1",
    "git-doc": "1:2.39.5-0+deb12u3",
    "gnome-user-docs": "43.0-2",
    "libc6-dev": "2.36-9+deb12u14",
    "libpython3.11-stdlib": "3.11.2-6+deb12u8",
    "libreoffice-help-en-us": "4:7.4.7-1+deb12u14",
    "nethack-common": "3.6.6-3+b2",
    "perl-doc": "5.36.0-7+deb12u3",
    "perl-modules-5.36": "5.36.0-7+deb12u3",
    "python3.11-doc": "3.11.2-6+deb12u8",
    "r-cran-janeaustenr": "1.0.0-1",
    "r-cran-tm": "0.7-11-1",
    "r-cran-tokenizers": "0.3.0-1",
    "rust-doc": "1.63.0+dfsg1-2",
    **{f"wesnoth-1.16-{campaign}": "1:1.16.9-1" for campaign in CAMPAIGNS},
}
"""Debian packages and the versions that were used (Debian 12)."""

WHEELS = {"gensim": "4.4.0", "mendeleev": "1.3.0", "countryinfo": "1.0.1"}
"""Python packages and the versions that were used; only their data files are read."""


def unpack(folder: Path) -> Path:
    """Download the packages, and unpack them into `folder/files/PACKAGE`; what is there already stays."""
    downloads, files = folder / "downloads", folder / "files"
    downloads.mkdir(parents=True, exist_ok=True)
    for name, version in DEBIAN.items():
        if (files / name).exists():
            continue
        subprocess.run(["apt-get", "download", "-qq", name], cwd=downloads, check=True)
        (archive,) = downloads.glob(f"{name}_*.deb")
        if archive.name.split("_")[1] != version.replace(":", "%3a"):
            print(f"{archive.name} is not the version {version} that was used", file=sys.stderr)
        (files / name).mkdir(parents=True)
        subprocess.run(["dpkg", "-x", archive, files / name], check=True)
    for name, version in WHEELS.items():
        if (files / name).exists():
            continue
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "-d", downloads, f"{name}=={version}"], check=True)
        (wheel,) = downloads.glob(f"{name}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(files / name)
    return files
