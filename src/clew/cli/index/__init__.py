"""`clew index`: find out on what every feature fires, look at one, and share it with other tools."""

USAGE = "[make | merge | show | cut | export | import] ..."
EXAMPLE = """\
example:
  clew index --data texts --tokens 1000000 --out smollm2.sqlite3
  clew index show smollm2.sqlite3 L12/403"""
