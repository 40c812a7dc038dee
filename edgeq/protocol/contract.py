"""The commands of group 64, the device contract: `(op, group, command)` of each request.

What each carries is specified in `firmware_stubs/PROTOCOL.md`; numbers are never redefined.
"""

from __future__ import annotations

from edgeq.protocol.smp import GROUP_EDGEQ, READ, WRITE

DESCRIBE = (READ, GROUP_EDGEQ, 0)
BLOB_HAVE = (READ, GROUP_EDGEQ, 1)
BLOB_PUT = (WRITE, GROUP_EDGEQ, 2)
STAGE = (WRITE, GROUP_EDGEQ, 3)
RELEASES = (READ, GROUP_EDGEQ, 4)
SELFTEST = (WRITE, GROUP_EDGEQ, 5)
ACTIVATE = (WRITE, GROUP_EDGEQ, 6)
# 7, confirm, is reserved: the device confirms by itself.
ROLLBACK = (WRITE, GROUP_EDGEQ, 8)
MEMBER = (READ, GROUP_EDGEQ, 9)
INVOKE = (WRITE, GROUP_EDGEQ, 10)
OUTPUT = (READ, GROUP_EDGEQ, 11)
BENCH = (WRITE, GROUP_EDGEQ, 12)
JOB = (READ, GROUP_EDGEQ, 13)
PROFILE = (WRITE, GROUP_EDGEQ, 14)
SENSORS = (READ, GROUP_EDGEQ, 15)
LINE = (WRITE, GROUP_EDGEQ, 16)
