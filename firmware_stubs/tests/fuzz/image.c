/* libFuzzer over what an image says: everything that the loader accepts is executed. Digests are no hindrance, because
 * the loader leaves them to its caller. */
#include <stdio.h>
#include <stdlib.h>

#include "execute.h"

static struct {
    unsigned long given, accepted, executed;
} count;

static void report(void)
{
    (void)fprintf(stderr, "images: %lu given, %lu accepted, %lu executed\n", count.given, count.accepted, count.executed);
}

/* libFuzzer has no header. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return atexit(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct verdict verdict = execute(data, bytes);
    count.given++;
    count.accepted += verdict.status == 0;
    count.executed += verdict.executed != 0;
    return 0;
}
