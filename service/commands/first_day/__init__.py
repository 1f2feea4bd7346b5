"""The first day in a hospital: what can be seen of machine, service and peers, with remedies, and sheets to fill in."""
