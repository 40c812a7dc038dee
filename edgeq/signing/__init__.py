"""Signatures of bundles and trust documents on the host: keys, envelopes, who must sign; see docs/signing.md."""
