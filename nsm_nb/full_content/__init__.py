"""Full content: bytes back from the evidence, and what they mean: header fields, text as the old tools print it, trees."""

from nsm_nb.full_content.carving import carve
from nsm_nb.full_content.checksums import checksums
from nsm_nb.full_content.dissect import dissect, dissect_fields, dissect_packets
from nsm_nb.full_content.duplicates import duplicates
from nsm_nb.full_content.faults import faults
from nsm_nb.full_content.fields import fields
from nsm_nb.full_content.filters import matching
from nsm_nb.full_content.frames import frame_bytes, payload_bytes
from nsm_nb.full_content.handoff import wireshark
from nsm_nb.full_content.names import names
from nsm_nb.full_content.views import view

__all__ = [
    "carve",
    "checksums",
    "dissect",
    "dissect_fields",
    "dissect_packets",
    "duplicates",
    "faults",
    "fields",
    "frame_bytes",
    "matching",
    "names",
    "payload_bytes",
    "view",
    "wireshark",
]
