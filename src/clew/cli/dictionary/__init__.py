"""`clew dictionary`: look at published transcoders before tracing with them, and save them anew."""

USAGE = "ACTION ..."
EXAMPLE = """\
example:
  clew dictionary inspect my-transcoders --model smollm2
  clew dictionary save org/name/width_16k my-transcoders"""
