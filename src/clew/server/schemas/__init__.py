"""The JSON that server and pages exchange.

A class of clew whose JSON has the same fields stands here itself; `...Answer` is one of another shape.
"""
