"""`clew index`: find out on what every feature fires, and look at one."""

USAGE = "[make | merge | show] ..."
EXAMPLE = """\
example:
  clew index --data texts --tokens 1000000 --out smollm2.sqlite3
  clew index show smollm2.sqlite3 L12/403"""
