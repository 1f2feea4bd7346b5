"""The commands of ``nmus references``, grouped by what a person wants: each module has ``add_parsers(subparsers)``."""
