"""Anatomy, subjects, devices and reference values: what a measurement is compared with, and when it may not be."""
