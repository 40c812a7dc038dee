/* Division for cores that have no instruction for it (Arm before version 7): the compiler's own helper library is made
 * for newer cores, so nothing of it may be linked in. The names and registers are those of the Arm run-time ABI. */
#if defined(__arm__) && !defined(__ARM_FEATURE_IDIV)

struct pair {
    unsigned quotient, remainder;
};

static struct pair divide(unsigned value, unsigned by)
{
    struct pair found = {0, 0};
    for (int bit = 31; bit >= 0; bit--) {
        found.remainder = found.remainder << 1 | (value >> bit & 1u);
        if (by && found.remainder >= by) {
            found.remainder -= by;
            found.quotient |= 1u << bit;
        }
    }
    return found;
}

static unsigned magnitude(int value)
{
    return value < 0 ? 0u - (unsigned)value : (unsigned)value;
}

/* Quotient in r0, remainder in r1. */
static unsigned long long both(unsigned quotient, unsigned remainder)
{
    return (unsigned long long)remainder << 32 | quotient;
}

unsigned __aeabi_uidiv(unsigned value, unsigned by)
{
    return divide(value, by).quotient;
}

unsigned long long __aeabi_uidivmod(unsigned value, unsigned by)
{
    const struct pair found = divide(value, by);
    return both(found.quotient, found.remainder);
}

unsigned long long __aeabi_idivmod(int value, int by)
{
    const struct pair found = divide(magnitude(value), magnitude(by));
    const unsigned quotient = (value < 0) != (by < 0) ? 0u - found.quotient : found.quotient;
    return both(quotient, value < 0 ? 0u - found.remainder : found.remainder);
}

int __aeabi_idiv(int value, int by)
{
    return (int)(unsigned)__aeabi_idivmod(value, by);
}

#endif
