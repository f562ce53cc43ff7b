"""The case: its directory, its index, its pivots. The only state there is."""

from nsm_nb.case.case import Case
from nsm_nb.case.current import choose, current
from nsm_nb.case.opening import create_case, open_case
from nsm_nb.case.settings import Settings

__all__ = ["Case", "Settings", "choose", "create_case", "current", "open_case"]
