"""Writes the pages of docs/reference that are generated from the code.

`make reference` writes them, and tests/project/test_reference.py fails if a committed page differs
from its generator's output. Each module here generates one page, or the pages of one document.
"""
