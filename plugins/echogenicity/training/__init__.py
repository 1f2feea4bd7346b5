"""How the network that finds the muscle was trained and judged; not part of the installed package."""
