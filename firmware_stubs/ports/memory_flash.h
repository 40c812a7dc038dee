/* Memory that keeps its content - a mapped file, an emulator's, MRAM - as flash with the rules of NOR: what is
 * written must have been erased. A port with real flash has its own two functions instead. */
#ifndef EQ_MEMORY_FLASH_H
#define EQ_MEMORY_FLASH_H

#include "edgeq/eq_flash.h"

/* Sectors of 4 KB and units of 8 bytes: two sectors for the log, the rest in equal slots. `base` lies at a multiple
 * of 16, `bytes` is at least 32 KB. It stays at `flash`, which is its own context. */
void eq_memory_flash(struct eq_flash *flash, uint8_t *base, uint32_t bytes);

#endif
