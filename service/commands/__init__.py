"""The command line, one file a command: each has ``add_parser(subparsers)`` and ``run(args) -> exit status``.

Exit status: 0 done, 1 the answer is no (a refusal, a failed check), 2 the operator must act (``Misconfigured``).
"""
