"""`python -m nsm_nb`, the same as `nsm-nb`."""

import sys

from nsm_nb.cli import main

sys.exit(main())
