"""``python -m similar_cases.cli``: the command, where its script may not be on the path."""

from similar_cases.cli import main

main()
