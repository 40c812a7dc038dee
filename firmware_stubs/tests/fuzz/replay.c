/* Images by name, one verdict a line: for compilers without libFuzzer and cores without sanitizers. */
#include <stdio.h>
#include <stdlib.h>

#include "execute.h"

#define MOST_BYTES (1u << 20)

static size_t read_all(const char *path, uint8_t *data)
{
    FILE *file = fopen(path, "rb");
    size_t bytes;
    if (file == NULL) {
        return 0;
    }
    bytes = fread(data, 1, MOST_BYTES, file);
    (void)fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    uint8_t *data = malloc(MOST_BYTES);
    for (int i = 1; data != NULL && i < argc; i++) {
        struct verdict verdict = execute(data, read_all(argv[i], data));
        (void)printf("%s %d %d %08lx\n", argv[i], verdict.status, verdict.executed, (unsigned long)verdict.outputs);
    }
    free(data);
    return data == NULL;
}
