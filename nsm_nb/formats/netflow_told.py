"""What there is to tell of export datagrams: damage, templates that never came, lost flows, sampling, several exporters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nsm_nb.formats.netflow_lost import missing
from nsm_nb.formats.netflow_reading import Exports
from nsm_nb.schema import Caveat
from nsm_nb.text import form, many, printable

__all__ = ["VERSIONS", "Place", "tell"]

VERSIONS = {
    1: "NetFlow version 1",
    5: "NetFlow version 5",
    7: "NetFlow version 7",
    9: "NetFlow version 9",
    10: "IPFIX",
}
_MOST_TOLD = 20  # remarks of one kind that are told one by one
_MAC = {56, 57, 80, 81}  # sourceMacAddress ... postDestinationMacAddress


@dataclass
class Place:
    """How a caveat says where in the evidence something stands."""

    label: str
    word: str  # what a datagram is called: frame, or datagram
    record: np.ndarray  # its number, by row
    offset: np.ndarray  # where it stands, by row

    def caveat(self, kind: str, said: str, row: int | None = None) -> Caveat:
        """Return a caveat about a datagram, or about the file."""
        record, offset = (None, None) if row is None else (int(self.record[row]), int(self.offset[row]))
        return Caveat(self.label, record, offset, kind, f"{printable(self.label)}: {said}")

    def datagrams(self, rows: Iterable[int]) -> tuple[str, int]:
        """Return how many datagrams there are and which is the first, in words, and the first."""
        every = sorted(rows)
        return f"{many(len(every), 'datagram')} (the first is {self.word} {int(self.record[every[0]]):,})", every[0]


def tell(found: Exports, exporters: pd.Categorical, place: Place) -> list[Caveat]:
    """Return the caveats about export datagrams.

    Parameters
    ----------
    found
        What was read.
    exporters
        Who sent each of `found.heads`.
    place
        How to say where something stands.
    """
    return [
        *_others(found.versions, place),
        *_damaged(found, place),
        *_false(found.decoder.false, place),
        *_templates(found, exporters, place),
        *_lost(found.heads, exporters, place),
    ]


def _others(versions: Mapping[int, int], place: Place) -> Iterator[Caveat]:
    others = sum(count for version, count in versions.items() if version not in VERSIONS)
    if others:
        yield place.caveat("format", f"{many(others, 'datagram of UDP is', 'datagrams of UDP are')} no NetFlow")


def _damaged(found: Exports, place: Place) -> Iterator[Caveat]:
    """Yield what is the matter with datagrams: how many, and the first one."""
    for version, count in found.cut.items():
        name = VERSIONS[version]
        cut = many(count, f"datagram of {name} is cut inside its", f"datagrams of {name} are cut inside their")
        said = f"{cut} header; {form(count, 'its', 'their')} flows are missing"
        yield place.caveat("cut", said)
    if found.short:
        text, first = place.datagrams(found.short)
        lost = many(sum(found.short.values()), "flow record is", "flow records are")
        than = form(len(found.short), "is shorter than its header claims", "are shorter than their headers claim")
        said = f"{lost} not there: {text} {than}"
        yield place.caveat("cut", said, first)
    if found.decoder.cut:
        text, first = place.datagrams(found.decoder.cut)
        lack = form(len(found.decoder.cut), "lacks", "lack")
        size = many(sum(found.decoder.cut.values()), "byte")
        said = f"{text} of version 9 or IPFIX {lack} {size}; what stands before was read"
        yield place.caveat("cut", said, first)
    if found.surplus:
        text, first = place.datagrams(found.surplus)
        unread = many(sum(found.surplus.values()), "flow record was", "flow records were")
        hold = form(len(found.surplus), "holds more than it claims", "hold more than they claim")
        said = f"{unread} not read: {text} {hold}"
        yield place.caveat("count", said, first)
    if found.false:
        text, first = place.datagrams(found.false)
        claim, were = form(len(found.false), "claims", "claim"), form(len(found.false), "it was", "they were")
        yield place.caveat("count", f"{text} {claim} more records than a datagram can hold; {were} not read", first)


def _false(false: Mapping[int, str], place: Place) -> Iterator[Caveat]:
    reasons: dict[str, list[int]] = {}
    for row, reason in false.items():
        reasons.setdefault(reason, []).append(row)
    told = sorted(reasons.items(), key=lambda each: min(each[1]))
    for reason, rows in told[:_MOST_TOLD]:
        text, first = place.datagrams(rows)
        hold = form(len(rows), "holds", "hold")
        yield place.caveat("format", f"{text} {hold} {reason}; what stands before was read", first)
    if len(told) > _MOST_TOLD:
        rest = [row for _, rows in told[_MOST_TOLD:] for row in rows]
        text, first = place.datagrams(rest)
        kinds = many(len(told) - _MOST_TOLD, "kind")
        yield place.caveat("format", f"{text} more {form(len(rest), 'holds', 'hold')} other nonsense of {kinds}", first)


def _templates(found: Exports, exporters: pd.Categorical, place: Place) -> Iterator[Caveat]:
    decoder = found.decoder
    if not decoder.rows:
        return
    # who a session is, by its first datagram
    session = np.array(decoder.session_of)
    rows = np.array(decoder.rows)
    _, first = np.unique(session, return_index=True)
    names = np.asarray(exporters)[np.searchsorted(found.heads["row"], rows[first])]
    missing = [
        (number >> 16, key, len(sets), sum(len(body) for _, body in sets))
        for key, sets in decoder.pending.items()
        for number in [sets[0][0]]
    ]
    for row, (of, template), count, size in missing[:_MOST_TOLD]:
        said = (
            f"{many(count, 'set')} of data ({many(size, 'byte')}) of exporter {names[of]} can't be read: "
            f"{form(count, 'its', 'their')} template {template} never came; a capture that begins earlier may hold it"
        )
        yield place.caveat("template", said, row)
    if len(missing) > _MOST_TOLD:
        rest = missing[_MOST_TOLD:]
        said = (
            f"{many(sum(each[2] for each in rest), 'more set')} of data ({many(sum(each[3] for each in rest), 'byte')}) "
            f"can't be read: {many(len(rest), 'other template')} never came"
        )
        yield place.caveat("template", said, rest[0][0])
    if decoder.late:
        count = decoder.late.total()
        came = f"came before {form(count, 'its', 'their')} template, and {form(count, 'was', 'were')} read once it came"
        said = (
            f"{many(count, 'set')} of data of {many(len(decoder.late), 'template')} {came}{_who(decoder.late, names)}"
        )
        yield place.caveat("template", said)
    for counted, begun, then in (
        (decoder.changed, "was defined anew", "data were read with what held when they came"),
        (decoder.empty, "has records without length", "nothing was read with them"),
    ):
        if counted:
            which = form(len(counted), "1 template", f"one of {len(counted):,} templates")
            said = f"{many(counted.total(), 'time')} {which} {begun}; {then}{_who(counted, names)}"
            yield place.caveat("template", said)
    if decoder.withdrawn:
        yield place.caveat("template", many(decoder.withdrawn, "template was withdrawn", "templates were withdrawn"))
    for count, said in (
        (decoder.borrowed, "read with the template that the same exporter sent from another port"),
        (decoder.beyond, "not read: there are more layouts of records than any network has"),
    ):
        if count:
            yield place.caveat("template", f"{many(count, 'set of data was', 'sets of data were')} {said}")
    if found.timeless:
        since = form(
            found.timeless,
            "it counts from a start of its exporter that is not told",
            "they count from a start of their exporter that it does not tell",
        )
        said = f"{many(found.timeless, 'flow has', 'flows have')} no times: {since}"
        yield place.caveat("template", said)
    yield from _no_flows(found, names, place)


def _who(counted: Counter[tuple[int, int]], names: np.ndarray) -> str:
    (of, template), _ = counted.most_common(1)[0]
    return f" (such as template {template} of exporter {names[of]})"


def _no_flows(found: Exports, names: np.ndarray, place: Place) -> Iterator[Caveat]:
    for layout, count in found.no_flows[:_MOST_TOLD]:
        elements = {each.element for each in layout.fields if each.enterprise == 0}
        what = "link-layer addresses only" if elements & _MAC else "no addresses"
        of = f"template {layout.number} of exporter {names[layout.session]}"
        tell_of = many(count, f"record of {of} tells", f"records of {of} tell")
        are = form(count, "it is no flow of IP, and was", "they are no flows of IP, and were")
        said = f"{tell_of} of {what}: {are} left out"
        yield place.caveat("records", said)
    if len(found.no_flows) > _MOST_TOLD:
        rest = found.no_flows[_MOST_TOLD:]
        count, of = sum(count for _, count in rest), many(len(rest), "template")
        said = f"{many(count, 'more record')} of {of} {form(count, 'is no flow', 'are no flows')} of IP"
        yield place.caveat("records", said)


def _lost(heads: np.ndarray, exporters: pd.Categorical, place: Place) -> list[Caveat]:
    """Return what the sequence numbers tell of each exporter, and that there are several, where there are."""
    codes = exporters.codes.astype(np.int64)
    order = np.argsort(codes, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(order) else []
    caveats = []
    for exporter, mine in zip(exporters.categories, (heads[group] for group in groups), strict=True):
        caveats += [place.caveat(kind, said) for kind, said in _told(exporter, mine)]
    if len(caveats) > _MOST_TOLD:
        more = len(caveats) - _MOST_TOLD
        remarks = many(more, "more such remark")
        said = f"and {remarks} about its {form(len(groups), 'exporter', f'{len(groups):,} exporters')}"
        caveats = [*caveats[:_MOST_TOLD], place.caveat("lost", said)]
    if len(groups) > 1:
        heard = [f"{exporters.categories[number]}" for number in range(min(len(groups), 5))]
        others = f" and {len(groups) - 5:,} more" if len(groups) > 5 else ""
        said = (
            f"{len(groups):,} exporters are heard ({', '.join(heard)}{others}); a conversation that several of them "
            "saw counts once for each: choose one by `sensor`"
        )
        caveats.append(place.caveat("duplicates", said))
    return caveats


def _told(exporter: str, heads: np.ndarray) -> Iterable[tuple[str, str]]:
    version = int(heads["version"][0])
    if version != 1:  # it has no sequence numbers
        yield from _told_by_numbers(exporter, heads)
    if version == 5:
        sampled = heads["sampling"] & 0x3FFF
        if (sampled > 1).any():
            yield (
                "sampling",
                f"exporter {exporter} samples 1 in {sampled.max():,} packets; the numbers are what it counted",
            )


def _told_by_numbers(exporter: str, heads: np.ndarray) -> Iterable[tuple[str, str]]:
    told, unit, seen = missing(heads)
    if not told.counts_flows:
        yield "lost", f"the sequence numbers of exporter {exporter} do not count {unit}: what was lost can't be told"
    if told.lost:
        share = 100 * told.lost / (told.lost + seen)
        lost = many(told.lost, unit.removesuffix("s"), unit)
        yield "lost", f"{lost} lost of exporter {exporter}, {share:.2g} % of those it sent"
    if told.again:
        yield (
            "duplicates",
            f"{many(told.again, 'datagram')} of exporter {exporter} {form(told.again, 'was', 'were')} captured twice; "
            f"{form(told.again, 'its', 'their')} flows count twice",
        )
    if told.starts > 1:
        yield (
            "lost",
            f"exporter {exporter} was started anew {many(told.starts - 1, 'time')}; what was lost then is not counted",
        )
