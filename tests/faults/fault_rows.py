"""The rows of the fault table, in its order."""

from __future__ import annotations

import row_agent_kill
import row_board
import row_fsync
import row_host_kill
import row_hostile
import row_links
import row_models
import row_power
import row_races
import row_serial
import row_storage
import row_walk
from fault_table import Row

_ROWS: tuple[Row, ...] = (
    row_host_kill.ROW,
    row_agent_kill.ROW,
    row_storage.ROW,
    row_fsync.ROW,
    row_power.ROW,
    row_links.ROW,
    row_serial.ROW,
    row_races.ROW,
    row_models.ROW,
    row_board.ROW,
    row_hostile.ROW,
    row_walk.ROW,
)
ROWS = {row.name: row for row in _ROWS}
