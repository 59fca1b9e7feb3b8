"""The API, one file for each subject; every route is thin."""
