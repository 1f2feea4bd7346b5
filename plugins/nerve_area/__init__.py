"""Nerve: cross-sectional area in transverse stills."""
