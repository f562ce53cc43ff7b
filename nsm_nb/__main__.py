"""`python -m nsm_nb`, the same as `nsm-nb`."""

import sys

from nsm_nb.cli import main

if __name__ == "__main__":
    sys.exit(main())
