"""Transcripts: the rebuilt conversation of one session, exact, with its doubts."""

from nsm_nb.transcripts.http import Exchange, Message
from nsm_nb.transcripts.transcript import Transcript, Turn, transcript

__all__ = ["Exchange", "Message", "Transcript", "Turn", "transcript"]
