"""Certificates in words: whose, by whom, valid when (RFC 5280), read by cryptography. Nothing is verified."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

from nsm_nb.text import many

__all__ = ["described"]

_MOST_NAMES = 50


def described(der: bytes) -> tuple[str, dict[str, Any]]:
    """Return a certificate in words, and its fields; of one that can't be read, its hash and why."""
    fields: dict[str, Any] = {"sha256": hashlib.sha256(der).hexdigest(), "sha1": _sha1(der), "octets": len(der)}
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    problems = (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, UnsupportedAlgorithm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is odd in a certificate is not for the program's log
        try:
            found = x509.load_der_x509_certificate(der)
        except problems as problem:
            return f"a certificate of {many(len(der), 'byte')} that can't be read: {problem}", fields
        readers = {
            "subject": lambda: found.subject.rfc4514_string(),
            "issuer": lambda: found.issuer.rfc4514_string(),
            "serial": lambda: f"{found.serial_number:x}",
            "not_before": lambda: found.not_valid_before_utc.isoformat(),
            "not_after": lambda: found.not_valid_after_utc.isoformat(),
            "names": lambda: _names(found),
            "key": lambda: _key(found),
            "signature": lambda: found.signature_algorithm_oid._name,
        }
        for name, read in readers.items():
            try:
                fields[name] = read()
            except (*problems, x509.ExtensionNotFound, x509.UnsupportedGeneralNameType, AttributeError, OverflowError):
                fields[name] = ""
    subject, issuer = fields["subject"], fields["issuer"]
    whose = subject or ", ".join(fields["names"][:3]) or "no subject"
    whose = subject or ", ".join(fields["names"][:3]) or "no subject"
    words = f"{whose}, valid {fields['not_before'][:10]} to {fields['not_after'][:10]}"
    return words + (", signed by itself" if subject == issuer else f", issued by {issuer}"), fields


def _names(found: Any) -> list[str]:
    from cryptography import x509

    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(each.value) for each in list(names)[:_MOST_NAMES]]


def _key(found: Any) -> str:
    key = found.public_key()
    return f"{type(key).__name__.removesuffix('PublicKey').strip('_')} {getattr(key, 'key_size', '')}".strip()


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
