"""The nmus command."""


def main() -> int:
    """Run the command line."""
    return 0
