"""The transcript of a session: both sides apart, each turn with its time and frame, every doubt at the top."""

from nsm_nb.widgets.transcript.tabs import VIEWS
from nsm_nb.widgets.transcript.transcript import Transcript

__all__ = ["VIEWS", "Transcript"]
