"""`clew index`: what features mean, into and out of files that other tools read."""

USAGE = "ACTION ..."
EXAMPLE = """\
example:
  clew index import details-of-my-features --out mine.sqlite3
  clew index export mine.sqlite3 --format packed --out for-others"""
