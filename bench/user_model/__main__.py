"""The measuring process: `python -P -m inflor_bench.user_model REQUEST ANSWER`.

-P keeps the working directory off the path, so that nothing of the user's is imported before the target is.
"""

import sys

from inflor_bench.user_model.process import main

if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
