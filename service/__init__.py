"""The nmus service: receive, analyse, report, deliver."""
