"""`python -m nsm_nb.cli`."""

import sys

from nsm_nb.cli import main

if __name__ == "__main__":
    sys.exit(main())
