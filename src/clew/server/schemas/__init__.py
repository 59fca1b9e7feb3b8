"""The JSON that server and pages exchange.

A class that describes the JSON of a class of clew has the name of that class.
"""
