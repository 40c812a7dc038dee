/* Runs the golden vectors of the image that is linked in (symbols image and image_end), without any C library, and ends
 * with the largest difference as its exit code; 100 where the image is refused, 101 where it has no golden vectors. */
#include "edgeq/eq_runtime.h"
#include "host/eq_native.h"

extern const unsigned char image[], image_end[];

static struct eq_model model;
static unsigned char arena[1 << 20] __attribute__((aligned(16)));

void *memcpy(void *to, const void *from, size_t count)
{
    for (size_t at = 0; at < count; at++)
        ((volatile unsigned char *)to)[at] = ((const unsigned char *)from)[at];
    return to;
}

void *memset(void *to, int value, size_t count)
{
    for (size_t at = 0; at < count; at++)
        ((volatile unsigned char *)to)[at] = (unsigned char)value;
    return to;
}

int memcmp(const void *one, const void *other, size_t count)
{
    for (size_t at = 0; at < count; at++)
        if (((const volatile unsigned char *)one)[at] != ((const unsigned char *)other)[at])
            return 1;
    return 0;
}

static int run(void)
{
    uint32_t worst = 0;
    if (eq_model_open(&model, image, (size_t)(image_end - image), arena, sizeof arena))
        return 100;
    if (!eq_native_goldens(&model))
        return 101;
    for (unsigned index = 0; index < eq_native_goldens(&model); index++) {
        const uint32_t off = eq_golden(&model, index);
        worst = off > worst ? off : worst;
    }
    return worst > 99 ? 99 : (int)worst;
}

__asm__(".section .rodata\n.balign 16\n.global image\nimage:\n.incbin \"" IMAGE "\"\n.global image_end\nimage_end:\n.text\n");

__attribute__((noreturn)) void _start(void)
{
    register int code __asm__("r0") = run();
    register int call __asm__("r7") = 1;
    __asm__ volatile("svc 0" : : "r"(code), "r"(call));
    __builtin_unreachable();
}
