"""Placeholder of the layer; see the design."""
