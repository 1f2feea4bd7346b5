"""Muscle: echogenicity, thickness and texture in stills."""
