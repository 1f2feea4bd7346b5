"""Whose study it is: identity as keyed digests, and the guard that lets nothing doubtful out."""
