"""The process in which a function of one side runs: `python -m tests.bench.child MODULE:FUNCTION`.

Arguments come as JSON on standard input, the answer is the last line of standard output.
"""

import json
import sys
from importlib import import_module

import django


def main() -> None:
    module, _, function = sys.argv[1].partition(":")
    arguments = json.load(sys.stdin)
    django.setup()
    answer = getattr(import_module(module), function)(**arguments)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
