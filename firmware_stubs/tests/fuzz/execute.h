/* An image as a device meets it: opened, and executed where it is accepted. */
#ifndef EXECUTE_H
#define EXECUTE_H

#include <stddef.h>
#include <stdint.h>

/* What one run may take; images that are accepted and take more are not executed. */
#define MOST_ARENA_BYTES 8192u
#define MOST_WORK 20000u

struct verdict {
    int status;       /* of eq_image_peek or eq_model_open */
    int executed;     /* 1 where it ran */
    uint32_t outputs; /* CRC-32 of what came out, and of what a front end made */
};

/* Image and arena lie in memory of exactly their size. Aborts where the image itself was written to, or, without
 * AddressSanitizer, one of the GUARD_BYTES on both sides of either. */
struct verdict execute(const uint8_t *data, size_t bytes);

#endif
