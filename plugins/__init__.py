"""Analyses: pure functions from ultrasound images to measurements, with the contract that third parties write to."""
