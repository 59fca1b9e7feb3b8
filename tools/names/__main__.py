"""`python -m tools.names` writes docs/measurements/names.md from the names of today and what was judged.

`judged.tsv` holds a feature, its name when it was judged, and the judgement after reading its texts; a name
that has changed since counts as not judged. `python -m tools.names.sample` prints names and texts to read.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from clew.feature import Feature
from tools.names.sample import COUNT, SEED, drawn, names, shipped

JUDGED = Path(__file__).parent / "judged.tsv"
OUT = Path(__file__).parents[2] / "docs" / "measurements" / "names.md"
HEAD = f"""# Names by rule, read and judged

Made by `python -m tools.names`. {COUNT} features of the default dictionary were drawn at random (seed {SEED})
from those that the small index of clew has texts of. Their names were judged against a reading of their texts
by the authors of the rules, after the rules were mended on the same features:

- **right**: the name says what the strong texts have in common, perhaps not all of it;
- **misleading**: the strong texts are about something else;
- **empty**: the rules make no name; the feature is then folded with others of its layers.

"""


def main() -> None:
    rows = [line.split("\t") for line in JUDGED.read_text(encoding="utf-8").splitlines()]
    judged = {(Feature.parse(feature), name): judgement for feature, name, judgement in rows}
    with shipped() as index:
        named = names(index, drawn(index))
    found = {
        each: judged.get((each, name), "not judged") if name else "empty" for each, name in named.items()
    }
    counts = Counter(found.values())
    lines = ["| judgement | features | share |", "| --- | --: | --: |"]
    lines += [f"| {kind} | {count} | {count / COUNT:.1%} |" for kind, count in counts.most_common()]
    lines += ["", "| feature | name | judgement |", "| --- | --- | --- |"]
    lines += [
        f"| {each} | {name.replace('|', chr(92) + '|')} | {found[each]} |"
        for each, name in named.items()
        if name
    ]
    OUT.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
