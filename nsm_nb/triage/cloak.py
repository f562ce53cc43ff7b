r"""Text and addresses made fit to be handed on: who was attacked can't be read from them, but who did what to whom can.

Text is first brought to plain spelling (`spellings`): full-width and other digits, percent, ``\x`` and HTML codings. Then

- **any** IPv4 address of four parts (decimal, octal, hexadecimal; with dots, ``[.]``, ``[dot]``, ``-``, ``_`` or ``,`` between),
  any IPv6 address, MAC address with separators, mail address, host name with a dot, UNC path, and what stands behind ``host=``
  becomes a word made with a key of the case: the same one wherever it stands. Without the key it can't be tried out.
- an address **of the case** becomes its word in these forms too, which are ordinary numbers otherwise: one number (decimal,
  octal, hexadecimal, binary, either order of bytes), the short forms of inet_aton (``10.1.433``), four pairs of
  hexadecimal digits, four parts with ``/``, ``:`` or spaces between, base64 of its four bytes. So do
  **names and MAC addresses of the case**, without a dot, in ``NAME\user`` (whose user is left out), without separators.
- what looks like a secret is left out: headers of HTTP that carry one, words such as ``password=``, URLs beyond the host, what
  follows ``?`` in a path, names in paths of home folders, runs of hexadecimal and base64 that are long or hold text.

What has no such form stays: a user's name or password in a sentence, a name of a host without a dot that no capture gives, an
address that the case does not know as one number or encoded otherwise (compressed, encrypted, spelled in words, cut in two).

*Source*: reference/hostile.md T20; reference/seed-systems.md 11.12 (Sguil's sanitised export leaks payloads and addresses
embedded in ICMP); RFC 1035 3.5, RFC 3596 2.5 (reverse names); inet_aton(3).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable

from nsm_nb.text import printable
from nsm_nb.triage.spellings import plain

__all__ = ["Cloak"]

_OUT = "[left out]"

# Last labels that are endings of files far more often than of hosts; none of them is a top-level domain.
_FILES = frozenset(
    re.findall(
        "[a-z0-9]+",
        "asp aspx bat bin cfg cgi class conf css csv dat dll doc docx elf exe gif gz htm html ico inc ini jar jpeg jpg js json "
        "jsp log lua msi pcap pdf php png ppt ps1 rar rtf scr so sql swf tar tcl tgz tmp txt vbs war xls xlsx xml yaml",
    )
)
_BYTE = r"(?:0x[0-9a-f]{1,2}|0{0,2}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])|0[0-3]?[0-7]{1,2})"
_DOT = r"(?:\ ?(?:\.|[\[({]\ ?(?:\.|dot)\ ?[\])}]|\bdot\b)\ ?|\\\.|-|_|,)"
_NUMBER = r"(?:0x[0-9a-f]{1,8}|[0-9]{1,11})"
_PAIRS = r"[0-9a-f]{2}"
_FOUR = re.compile(rf"(?<![0-9]){_BYTE}(?:{_DOT}{_BYTE}){{3}}(?![0-9])", re.IGNORECASE)
_FORMS = re.compile(
    rf"""
    (?P<header> \b (?:proxy-)?authorization \b.* | \b(?:set-)?cookie2? \s*[:=].*
        | \bx-[a-z-]{{0,40}}(?:key|token|auth)[a-z-]{{0,40}} \s*[:=].* )
  | (?P<login> \b(?:basic|bearer|digest|negotiate|ntlm)\ +[a-z0-9+/=._~-]{{6,}} )
  | (?P<word> \b(?P<what> pass(?:word|wd|phrase)? | pwd | secret | token | (?:api|access|private)[_-]?key | session_?id | sid
        | user(?:name)? | login ) \s*[:=]\s* (?:"[^"]*"|'[^']*'|[^\s&;,]+) )
  | (?P<ftp> \b(?-i:PASS|USER|ACCT)\ +[^\s]+ )
  | (?P<unc> \\\\ (?P<server>[\w.$-]{{1,64}}) \\ [^\s]* )
  | (?P<home> (?P<folder>[\\/] (?:users|home|documents\ and\ settings) [\\/]) [^\\/\s:;"']+ )
  | (?P<hostis> \b (?P<kind>(?:host|computer)(?:[_-]?name)?) \s*[:=]\s* (?P<its>[a-z0-9][\w-]*) (?![\w.\[(-]) )
  | (?P<query> \? [\w.%\[\]-]{{1,64}} = [^\s]* )
  | (?P<url> (?P<scheme>\b[a-z][a-z0-9+.-]{{1,15}}://) (?:[^\s/@]*@)? (?P<host>\[[^\]\s]+\]|[^\s/:?\#]+) (?P<rest>[^\s]*) )
  | (?P<mail> (?<![a-z0-9._%+-]) [a-z0-9._%+-]{{1,64}} (?:@|\ ?[\[(](?:@|at)[\])]\ ?) [a-z0-9-]+ (?:(?:\.|\[\.\])[a-z0-9-]+)* )
  | (?P<reverse> \b(?:[0-9]{{1,3}}\.){{4}}in-addr\.arpa\b | \b(?:[0-9a-f]\.){{8,32}}ip6\.arpa\b )
  | (?P<mac> \b[0-9a-f]{{2}}(?:[:-][0-9a-f]{{2}}){{5}}\b(?![:-][0-9a-f]) | \b[0-9a-f]{{4}}\.[0-9a-f]{{4}}\.[0-9a-f]{{4}}\b )
  | (?P<pairs> (?<![0-9a-f]) (?:0x|\\x)?{_PAIRS} (?P<between>,?\ ?(?:0x|\\x)|[\ :.,_-]) {_PAIRS} (?:(?P=between){_PAIRS}){{2}}
        (?! (?P=between)?[0-9a-f]) )
  | (?P<bytes> (?<![0-9a-f]) (?: (?:\\x|%)[0-9a-f]{{2}} | [0-9a-f]{{2}}[\ |] | [0-9a-f]{{2}}:(?=[0-9a-f]{{2}}(?::|\b)) ){{4,}}
        (?:[0-9a-f]{{2}}\b)? )
  | (?P<loose> (?<![0-9]) {_BYTE}(?P<gap>\ ?[/:|\ ,]\ ?){_BYTE}(?:(?P=gap){_BYTE}){{2}} (?![0-9]) )
  | (?P<six> (?<![\w:]) (?=[0-9a-f:.]{{0,45}}:[0-9a-f:.]{{0,45}}:)
        [0-9a-f:]{{0,45}}(?::[0-9a-f]{{0,4}}|(?:[0-9]{{1,3}}\.){{3}}[0-9]{{1,3}}) (?![\w:]) )
  | (?P<four> (?<![0-9]) {_BYTE}(?:{_DOT}{_BYTE}){{3}} (?![0-9]) )
  | (?P<short> (?<![\w.]) {_NUMBER}(?:\.{_NUMBER}){{1,2}} (?![\w]|\.[0-9]) )
  | (?P<number> (?<![0-9a-f]) (?: 0x[0-9a-f]{{1,8}} | [01]{{32}} | [0-9a-f]{{7,12}} ) (?![0-9a-f]) )
  | (?P<run> {_BYTE}(?:\.{_BYTE}){{3}} )
  | (?P<hex> (?<![0-9a-z]) (?:0x)?[0-9a-f]{{16,}} (?![0-9a-z]) )
    """,
    re.IGNORECASE | re.VERBOSE,
)


# Looked for afterwards: an address within a name or a long word has become a word by then.
_NAMES = re.compile(
    r"""
    (?P<name> (?<![\w-]) (?:\w(?:[\w-]{0,61}\w)? (?:\.|\[\.\]) ){1,126} (?P<top>[^\W\d][\w-]{0,61}\w) (?![\w-]) )
  | (?P<base64> (?<![a-z0-9+/=]) [a-z0-9+/_-]{6,}={0,2} (?![a-z0-9+/=]) )
    """,
    re.IGNORECASE | re.VERBOSE,
)


_WORDS = re.compile(r"(?<![\w-])(?P<word>\w[\w.-]{1,252}?)(?P<user>\\[^\s\\]+)?(?![\w-])")


class Cloak:
    """Makes text fit to be handed on; the same key gives the same words for the same things.

    Parameters
    ----------
    key
        Secret bytes of the case, 16 or more.
    known
        Addresses of the evidence: numbers that stand for one of them are recognised.
    names
        Names of hosts in the evidence, of three letters or more; MAC addresses too.

    Examples
    --------
    >>> cloak = Cloak(bytes(16), ["10.0.0.7"])
    >>> cloak.text("10.0.0.7") == cloak.text("0x0a000007") == cloak.address("::ffff:10.0.0.7")
    True
    """

    def __init__(self, key: bytes, known: Iterable[str] = (), names: Iterable[str] = ()):
        if len(key) < 16:
            raise ValueError("a key of less than 16 bytes can be tried out")
        self._key = key
        self._known: dict[int, str] = {}
        for text in known:
            address = _parsed(text)
            if address is not None and address.version == 4:
                number = int(address)
                for each in (number, int.from_bytes(number.to_bytes(4, "big"), "little")):
                    self._known.setdefault(each, str(address))

        words = {str(each).lower() for each in names}
        self._macs = {bare for each in words if re.fullmatch("[0-9a-f]{12}", bare := re.sub("[:.-]", "", each))}
        self._names = {each for each in words if len(each) > 2 and re.sub("[:.-]", "", each) not in self._macs}

    def address(self, text: object) -> str:
        """Return the word for an address, however it is written; ``?`` where it is none."""
        address = _parsed(str(text))
        if address is None:
            return "?"
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        return f"ip{address.version}-{self._word(address.packed)}"

    def name(self, text: object, kind: str = "host") -> str:
        """Return the word for a name of some kind, in any case of letters."""
        return f"{kind}-{self._word(f'{kind} {str(text).lower()}'.encode('utf-8', 'backslashreplace'))}"

    def text(self, value: object) -> str:
        """Return text with each address and name as its word, and each secret left out; printable."""
        text = _FORMS.sub(self._replaced, printable(plain(str(value))))
        text = _NAMES.sub(self._renamed, text)
        return _WORDS.sub(self._known_name, text) if self._names else text

    def _known_name(self, match: re.Match[str]) -> str:
        text = match["word"]
        if text.lower() not in self._names:
            return match.group()
        return self.name(text) + (f"\\{_OUT}" if match["user"] else "")

    def _word(self, data: bytes) -> str:
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()[:10]

    def _replaced(self, match: re.Match[str]) -> str:
        form, text = str(match.lastgroup), match.group()
        if form in ("header", "login", "ftp"):
            return f"{re.split(r'[ :=]', text, maxsplit=1)[0]} {_OUT}"
        if form == "word":
            return f"{match['what']} {_OUT}"
        if form == "url":
            host = match["host"].strip("[]")
            word = self.address(host) if _parsed(host) else self.name(host)
            return f"{match['scheme']}{word}{'/' + _OUT if match['rest'].strip('/') else match['rest']}"
        if form == "unc":
            server = match["server"]
            return f"\\\\{self.address(server) if _parsed(server) else self.name(server)}\\{_OUT}"
        if form == "home":
            return f"{match['folder']}{_OUT}"
        if form == "hostis":
            return f"{match['kind']} {self.name(match['its'])}"
        if form == "query":
            return f"?{_OUT}"
        if form == "mail":
            return self.name(re.sub(r"\ ?[\[(](?:@|at)[\])]\ ?", "@", text.lower()).replace("[.]", "."), "mail")
        if form == "mac":
            return self.name(re.sub(r"[^0-9a-f]", "", text.lower()), "mac")
        if form == "reverse":
            labels = text.lower().split(".")
            four = labels[-2] == "in-addr"
            return self.address(".".join(reversed(labels[:-2]))) if four else _OUT
        if form in ("four", "run"):
            return self._four(text) if form == "four" else self._within(text)
        if form == "loose":
            return self._of_known(text, [[int(each) for each in re.findall("[0-9]+", text)]])
        if form == "pairs":
            return self._of_known(text, [[int(each, 16) for each in re.findall("(?:0x)?([0-9a-f]{2})", text.lower())]])
        if form == "short":
            return self._short(text)
        if form == "six":
            return self.address(text) if _parsed(text) else _FOUR.sub(lambda four: self._four(four.group()), text)
        return self._number(text) if form == "number" else _OUT

    def _of_known(self, text: str, readings: Iterable[Iterable[int]]) -> str:
        for parts in readings:
            numbers = list(parts)
            if len(numbers) == 4 and max(numbers) < 256:
                known = self._known.get(int.from_bytes(bytes(numbers), "big"))
                if known is not None:
                    return self.address(known)
        return text

    def _within(self, text: str) -> str:
        """Return an address of the case for four parts that touch other digits."""
        return self._of_known(text, [[int(each) for each in text.split(".") if each.isdecimal()]])

    def _short(self, text: str) -> str:
        """Return the word for what inet_aton takes for an address of the case: the last part fills the bytes that are left."""
        parts = [_number(each) for each in text.lower().split(".")]
        *first, last = parts
        if max(first) > 255 or last >= 256 ** (4 - len(first)):
            return text
        number = sum(each << (24 - 8 * place) for place, each in enumerate(first)) + last
        return self.address(self._known[number]) if number in self._known else text

    def _renamed(self, match: re.Match[str]) -> str:
        text = match.group()
        if match.lastgroup == "base64":
            return _OUT if _speaks(text) or self._packed(text) else text
        file = match["top"].lower() in _FILES and not any(_speaks(each) for each in text.split("."))
        return text if file else self.name(text.replace("[.]", "."))

    def _four(self, text: str) -> str:
        parts = [each.lower() for each in re.split(_DOT, text, flags=re.IGNORECASE)]
        decimal = [int(each, 16) if each.startswith("0x") else int(each) for each in parts]
        # 0177 is 127 to a C library and 177 to a person: what the evidence knows decides
        octal = [
            int(each, 8) if re.fullmatch("0[0-7]+", each) else number
            for each, number in zip(parts, decimal, strict=True)
        ]
        readings = (octal, decimal)
        for numbers in sorted(
            readings, key=lambda each: max(each) > 255 or int.from_bytes(bytes(each), "big") not in self._known
        ):
            if max(numbers) < 256:
                return self.address(".".join(map(str, numbers)))
        return text

    def _number(self, text: str) -> str:
        lower = text.lower()
        if lower in self._macs:
            return self.name(lower, "mac")
        readings = [int(text, 16)] if lower.startswith("0x") or len(text) == 8 else []
        if len(text) == 32:
            readings = [int(text, 2)]
        elif text.isdecimal():
            readings += [int(text), _number(text)]
        elif len(text) == 12 and any(each.isdecimal() for each in text):
            return self.name(lower, "mac")  # as MAC addresses are written in names of files and hosts
        for number in readings:
            if number in self._known:
                return self.address(self._known[number])
        return _OUT if lower.startswith("0x") and len(text) > 9 else text

    def _packed(self, text: str) -> bool:
        """Return whether a word is base64 of the bytes of an address of the case."""
        if len(text.rstrip("=")) != 6:
            return False
        try:
            data = base64.b64decode(text.rstrip("=").replace("-", "+").replace("_", "/") + "==")
        except binascii.Error:
            return False
        return int.from_bytes(data, "big") in self._known


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _number(text: str) -> int:
    """Return the number that C takes a text for: hexadecimal after 0x, octal after 0, else decimal."""
    if text.startswith("0x"):
        return int(text, 16)
    return int(text, 8) if re.fullmatch("0[0-7]+", text) else int(text)


def _speaks(text: str) -> bool:
    """Return whether a word is base64 of something: of text, or so long and mixed that no word of a message is."""
    plain = text.rstrip("=")
    classes = sum(any(test(each) for each in plain) for test in (str.islower, str.isupper, str.isdigit))
    if (text.endswith("=") and len(text) % 4 == 0) or (len(plain) >= 24 and classes == 3):
        return True
    try:
        data = base64.b64decode(plain.replace("-", "+").replace("_", "/") + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(data) >= 6 and all(32 <= each < 127 for each in data)
