"""Fasciculations: involuntary twitches in muscle cine."""
