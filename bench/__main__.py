"""``python -m bench``: the command line."""

import sys

if __name__ == "__main__":
    # Python puts the current folder first; nothing is imported because it lies there.
    if not sys.flags.safe_path:
        del sys.path[0]
    from bench.cli import main

    main()
