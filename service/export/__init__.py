"""A study with its findings for research, without whose it is: PS3.15 annex E, pixels included."""
