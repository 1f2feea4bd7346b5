"""The nmus service: receive, analyse, report, deliver."""

__version__ = "0.1.0"
