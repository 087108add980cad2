"""`make bench`: muster beside its ceilings and its peer, in turns, on one machine."""
