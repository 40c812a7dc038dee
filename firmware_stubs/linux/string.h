/* What the runtime needs of the C library, whichever one the device has: no headers of one are needed to compile. */
#ifndef EQ_LINUX_STRING_H
#define EQ_LINUX_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *one, const void *other, size_t count);

#endif
