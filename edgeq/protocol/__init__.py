"""The messages between host and device: SMP (8-byte header and a CBOR map), sans-IO.

Bytes in, bytes out; nothing here touches a port. Shared by the host and by the agent on a device, so it holds to
Python 3.9 and the standard library. Every byte is specified in `firmware_stubs/PROTOCOL.md`.
"""
