"""Full content: bytes back from the evidence."""

from nsm_nb.full_content.carving import carve
from nsm_nb.full_content.frames import frame_bytes, payload_bytes

__all__ = ["carve", "frame_bytes", "payload_bytes"]
