"""Certificates for TLS tests, made anew for each session."""

import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """A server's certificates, each a file with its key, and the files that a client may trust."""

    ca_file: Path  # the authority that signed `signed_file`
    other_ca_file: Path  # one that did not
    signed_file: Path  # for localhost
    wrong_host_file: Path  # signed too, but for another host's name
    self_signed_file: Path

    @cached_property
    def signed(self) -> ssl.SSLContext:
        return context_of(self.signed_file)

    @cached_property
    def wrong_host(self) -> ssl.SSLContext:
        return context_of(self.wrong_host_file)

    @cached_property
    def self_signed(self) -> ssl.SSLContext:
        return context_of(self.self_signed_file)


def context_of(file: Path) -> ssl.SSLContext:
    """Return a server's context with the certificate in *file*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def make_certificates(folder: Path) -> Certificates:
    authority, other, own = trustme.CA(), trustme.CA(), trustme.CA()
    made = Certificates(
        ca_file=folder / "ca.pem",
        other_ca_file=folder / "other-ca.pem",
        signed_file=folder / "signed.pem",
        wrong_host_file=folder / "wrong-host.pem",
        self_signed_file=folder / "self-signed.pem",
    )
    authority.cert_pem.write_to_path(str(made.ca_file))
    other.cert_pem.write_to_path(str(made.other_ca_file))
    signed = authority.issue_cert("localhost", "127.0.0.1")
    signed.private_key_and_cert_chain_pem.write_to_path(str(made.signed_file))
    wrong = authority.issue_cert("elsewhere.example")
    wrong.private_key_and_cert_chain_pem.write_to_path(str(made.wrong_host_file))
    # An authority's own certificate is signed by itself alone.
    made.self_signed_file.write_bytes(own.private_key_pem.bytes() + own.cert_pem.bytes())
    return made
