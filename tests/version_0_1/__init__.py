"""Files that clew 0.1 wrote, and the test that they still open."""
