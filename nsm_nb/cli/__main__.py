"""`python -m nsm_nb.cli`."""

import sys

from nsm_nb.cli import main

sys.exit(main())
