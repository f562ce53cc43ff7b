"""ICMP messages as Argus names them in its state column: ECO, ECR, URP ...

Source: argus 3, ra(1); RFC 792, RFC 4443 (numbers of types and codes).
"""

from __future__ import annotations

__all__ = ["icmp_state"]

_STATES = {
    ("icmp", 0): "ECR", ("icmp", 3): "UR", ("icmp", 4): "SRC", ("icmp", 5): "RED", ("icmp", 8): "ECO", ("icmp", 9): "RTA",
    ("icmp", 10): "RTS", ("icmp", 11): "TXD", ("icmp", 12): "PAR", ("icmp", 13): "TST", ("icmp", 14): "TSR",
    ("icmp", 15): "IRQ", ("icmp", 16): "IRR", ("icmp", 17): "MAS", ("icmp", 18): "MSR",
    ("icmp6", 1): "UR", ("icmp6", 2): "PTB", ("icmp6", 3): "TXD", ("icmp6", 4): "PAR", ("icmp6", 128): "ECO",
    ("icmp6", 129): "ECR", ("icmp6", 130): "MRQ", ("icmp6", 131): "MHR", ("icmp6", 132): "MHR", ("icmp6", 133): "NRS",
    ("icmp6", 134): "NRA", ("icmp6", 135): "NNS", ("icmp6", 136): "NNA", ("icmp6", 137): "RED", ("icmp6", 143): "MHR",
}  # fmt: skip
_UNREACHABLE = {0: "URN", 1: "URH", 2: "URP", 3: "URP", 4: "URF", 5: "URS", 6: "URNU", 7: "URHU", 8: "URISO", 9: "URNPRO",
                10: "URHPRO", 11: "URNTOS", 12: "URHTOS", 13: "URFIL", 14: "URPRE", 15: "URCUT"}  # fmt: skip
_UNREACHABLE6 = {0: "URN", 1: "URFIL", 3: "URH", 4: "URP"}


def icmp_state(proto: str | None, kind: int, code: int) -> str:
    """Return the state of an ICMP message.

    Parameters
    ----------
    proto
        ``icmp`` or ``icmp6``.
    kind, code
        Its type and code.
    """
    state = _STATES.get((str(proto), kind), "INT")
    if state == "UR":
        state = (_UNREACHABLE if proto == "icmp" else _UNREACHABLE6).get(code, "UR")
    return state
