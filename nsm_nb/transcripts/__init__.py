"""Transcripts: the rebuilt conversation of one session, exact, with its doubts."""

from nsm_nb.transcripts.decoding import Budget, decoded
from nsm_nb.transcripts.decoding.dns import labels, unbase32
from nsm_nb.transcripts.http import Exchange, Message
from nsm_nb.transcripts.objects import Object, carried, objects, write_objects, zip_objects
from nsm_nb.transcripts.recipes import Decoded, decode
from nsm_nb.transcripts.transcript import Transcript, Turn, transcript

__all__ = [
    "Budget",
    "Decoded",
    "Exchange",
    "Message",
    "Object",
    "Transcript",
    "Turn",
    "carried",
    "decode",
    "decoded",
    "labels",
    "objects",
    "transcript",
    "unbase32",
    "write_objects",
    "zip_objects",
]
