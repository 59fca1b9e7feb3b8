"""Cut the fonts of exported figures out of the page's variable fonts: `python -m tools.figure_fonts`.

Each file holds one weight, without tables for ligatures and kerning, so that every program sets the same text
equally wide. Needs `fonttools` and `brotli`, and `npm ci` in web/.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fontTools.merge import Merger
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

MODULES = Path("web/node_modules/@fontsource-variable")
FOLDER = Path("web/src/export/fonts")
FONTS = [
    ("inter", "Inter Variable", 400, "sans-400"),
    ("inter", "Inter Variable", 600, "sans-600"),
    ("jetbrains-mono", "JetBrains Mono Variable", 500, "mono-500"),
]
SCRIPTS = ["latin", "greek", "cyrillic"]
ARROW = "\u2192"
TABLES = [
    "GSUB",
    "GPOS",
    "GDEF",
    "BASE",
    "STAT",
    "kern",
    "gasp",
    "MATH",
    "DSIG",
    "fpgm",
    "prep",
    "cvt ",
    "meta",
]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for package, family, weight, name in FONTS:
        font = joined(package, weight)
        rename(font, family, weight)
        font.save(FOLDER / f"{name}.ttf")
        print(name, (FOLDER / f"{name}.ttf").stat().st_size, "bytes")


def joined(package: str, weight: int) -> TTFont:
    """One font of the scripts' files at one weight, with an arrow, which these lack."""
    with TemporaryDirectory() as folder:
        paths = []
        for script in SCRIPTS:
            font = TTFont(MODULES / package / "files" / f"{package}-{script}-wght-normal.woff2")
            font.flavor = None
            font = instantiateVariableFont(font, {"wght": weight})
            for table in TABLES:
                if table in font:
                    del font[table]
            reduced(font)
            paths.append(Path(folder) / f"{script}.ttf")
            font.save(paths[-1])
        font = Merger().merge([str(path) for path in paths])
    if ord(ARROW) not in characters(font):
        add_arrow(font, weight)
    return font


def reduced(font: TTFont) -> None:
    options = Options()
    options.hinting, options.notdef_outline, options.glyph_names = False, True, False
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=list(characters(font)))
    subsetter.subset(font)


def characters(font: TTFont) -> dict[int, str]:
    return font.getBestCmap() or {}


def add_arrow(font: TTFont, weight: int) -> None:
    """An arrow to the right: a bar and a head of two bars."""
    head: Any = font["head"]
    em, width = head.unitsPerEm, font["hmtx"][characters(font)[ord("+")]][0]
    thick, middle, half = em * weight // 5600, em * 36 // 100, em * 17 // 100
    left, right = width // 10, width - width // 10
    pen = TTGlyphPen(None)
    bar = [(left, -1), (left, 1), (right - thick, 1), (right - thick, -1)]
    outer = [(right - half - thick, 1), (right - half, 1), (right, 0)]
    inner = [(right - half, -1), (right - half - thick, -1), (right - thick, 0)]
    for corners, high in [(bar, thick // 2), ([*outer, *inner], half)]:
        points = [(x, middle + side * high) for x, side in corners]
        pen.moveTo(points[0])
        for point in points[1:]:
            pen.lineTo(point)
        pen.closePath()
    font.setGlyphOrder([*font.getGlyphOrder(), "arrowright"])
    font["glyf"]["arrowright"] = pen.glyph()
    font["hmtx"]["arrowright"] = (width, left)
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap[ord(ARROW)] = "arrowright"


def rename(font: TTFont, family: str, weight: int) -> None:
    """The family's name on the page; licence and authors stay."""
    names = font["name"]
    kept = [record for record in names.names if record.nameID in (0, 9, 11, 13, 14)]
    names.names = kept
    style = {400: "Regular", 500: "Medium", 600: "SemiBold"}[weight]
    for number, text in {
        1: family,
        2: style,
        4: f"{family} {style}",
        6: f"{family}-{style}".replace(" ", ""),
    }.items():
        names.setName(text, number, 3, 1, 0x409)
    metrics: Any = font["OS/2"]
    metrics.usWeightClass = weight


if __name__ == "__main__":
    main()
