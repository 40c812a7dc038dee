/* What can go wrong: every function that can fail returns 0 or one of these. The numbers are those of PROTOCOL.md
 * section 1, negated; they are never redefined. */
#ifndef EQ_STATUS_H
#define EQ_STATUS_H

enum eq_status {
    EQ_OK = 0,
    EQ_UNKNOWN = -1,     /* failed for a reason without a number of its own */
    EQ_INVALID = -2,     /* malformed or out of range */
    EQ_NOT_FOUND = -3,   /* no such release, blob, job or key */
    EQ_NO_SPACE = -4,    /* does not fit into a slot, an arena or a buffer */
    EQ_DIGEST = -5,      /* bytes do not have the SHA-256 that was promised */
    EQ_SIGNATURE = -6,   /* not signed by a key of this device */
    EQ_MISMATCH = -7,    /* built for another architecture, runtime or target */
    EQ_SELFTEST = -8,    /* golden vectors do not match */
    EQ_BUSY = -9,        /* another job runs */
    EQ_IO = -10,         /* flash failed */
    EQ_RUNTIME = -11,    /* the model could not be loaded */
    EQ_UNSUPPORTED = -12,
    EQ_TIMEOUT = -13,    /* the model gave no answer in time */
    EQ_STATE = -14,      /* not possible now */
    EQ_INTERFACE = -15,  /* the interface differs from the active release's */
    EQ_NEWER = -16,      /* a newer schema than is known here */
    EQ_GATE = -17        /* does not meet its confirm policy here */
};

#endif
