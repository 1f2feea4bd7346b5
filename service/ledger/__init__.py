"""The only state: what was received, what is to be done, what was sent."""
