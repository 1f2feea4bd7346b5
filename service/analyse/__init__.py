"""From stored objects to findings: read, group, run the plugins."""
