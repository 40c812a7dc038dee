/* What the core remembers; the fields are its own. No pointer leads into the struct itself. */
#ifndef EQ_CORE_STATE_H
#define EQ_CORE_STATE_H

#include "edgeq/eq_core.h"
#include "edgeq/eq_frontend.h"
#include "eq_frame.h"
#include "eq_sha256.h"
#include "eq_slots.h"

#define EQ_SAMPLES 64u

/* What `verify` found out about the release in a slot. */
struct eq_finding {
    uint32_t n;      /* 0 where there is none */
    const char *why; /* it is not sound, for people; NULL where it is */
};

/* Work that takes longer than a request: one at a time, a piece with every poll. */
struct eq_job {
    uint32_t number;   /* 0 before the first one */
    uint8_t kind;      /* enum eq_job_kind */
    uint8_t phase;     /* position in the kind's list of phases */
    uint8_t state;     /* enum eq_job_state */
    uint8_t begun;     /* an inference is under way */
    uint8_t tested;    /* the golden vectors came out as they must */
    uint8_t stop;      /* bench: the host wants no more inferences */
    uint32_t slot;     /* of the release it is about */
    uint32_t n;        /* and its number */
    int status;        /* why it failed */
    const char *why;   /* the same for people */
    uint32_t at, of;   /* progress in the phase: bytes, golden vectors or inferences */
    uint32_t vectors;  /* golden vectors that were computed */
    uint32_t worst;    /* largest difference of an output from what it must be */
    uint32_t tolerance; /* and the one that is accepted */
    uint32_t runs;     /* bench: inferences that give samples */
    uint32_t warmup;   /* bench: those of them before the steady ones */
    uint32_t init;     /* bench: ticks of opening the model */
    uint32_t first;    /* bench: ticks of the first inference */
    uint32_t spent;    /* ticks of the present one, so far */
    uint32_t stack;    /* bench: bytes that one inference took at most; 0 where nobody knows */
    uint64_t since;    /* bench: ticks of the clock at its beginning */
    uint64_t told;     /* bench: ticks up to which gaps and samples tell what passed */
    uint32_t samples;  /* how many there were */
    uint32_t seen;     /* how many of them the host has */
    struct eq_finding found[EQ_SLOTS];
    struct eq_sha256 sha;
};

/* The last request that was carried out, by which a repeated one is known. */
struct eq_last {
    uint8_t head[8]; /* of its message */
    uint16_t crc;    /* of all of it */
    uint32_t job;    /* the one that it began; 0 if none */
};

/* The input and output of an inference, as far as they have come. */
struct eq_inference {
    uint32_t run;   /* number that the host drew */
    uint32_t slot;  /* of the release */
    uint32_t input; /* bytes that are here */
    uint32_t ops;   /* records that are carried out, of one that is looked at; UINT32_MAX of others */
    uint8_t raw;    /* the input goes through the front end */
    uint8_t done;   /* the outputs are those of this input */
};

/* Ticks since the start. */
struct eq_clock {
    uint64_t ticks; /* as they were counted last */
    uint32_t last;  /* the counter then */
};

/* The trial that serves, since its self-test after the last start. */
struct eq_watch {
    uint64_t since;   /* ticks of the clock then */
    uint32_t seconds; /* from there on, as they were looked at last */
    uint16_t good;    /* inferences that came to their end */
    uint8_t on;       /* it has passed its self-test */
};

#ifdef EQ_MLPERF
/* The device under test of MLPerf Tiny. */
struct eq_dut {
    uint32_t bytes, have; /* of the input that arrives for the open model: all, and those that are here */
    uint8_t text;         /* characters of the command that arrives; they lie in rx.buffer */
    uint8_t deaf;         /* a frame or noise came, and no silence since */
};
#endif

/* In this order, for what lies at the front is reached with shorter instructions. */
struct eq_core {
    const struct eq_config *config;
    const char *why;      /* of the request that is being refused, for people */
    uint32_t loaded;      /* slot of the model that is open; EQ_SLOTS for none */
    uint32_t is_signed;   /* a bit for each slot whose signatures were found right since the start */
    uint8_t resets;       /* the board restarts when the answer has left */
    uint8_t *answer;      /* where answers are made, buf_size bytes */
    uint32_t buf_size;    /* of the longest message */
    struct eq_job job;
    struct eq_inference inference;
    struct eq_watch watch;
    struct eq_clock clock;
    uint32_t heard;       /* ticks when the last byte came, without what jobs took since */
    uint32_t heard_whole; /* ticks when the last message came */
    uint32_t baud;        /* the line's rate; 0 for the one it started with */
    uint32_t next_baud;   /* what it is to be when the answer has left */
    struct eq_last last;
#ifdef EQ_MLPERF
    struct eq_dut dut;
#endif
    struct eq_blob held;  /* the image of which `space.envelope` is the beginning; 0 bytes for none */
    uint32_t held_bytes;  /* of its beginning */
    struct eq_rx rx;
    struct eq_slots slots;
    struct eq_model model;
    struct eq_frontend front; /* of the model; without a head where it has none */
    union {
        uint32_t samples[2 * EQ_SAMPLES];       /* of a job: sample i at i % EQ_SAMPLES, in ticks; bench: likewise
                                                 * from EQ_SAMPLES on what passed before each, beside the ones before */
        struct eq_envelope envelope;            /* of an image that arrives; it is judged before anything is erased */
        uint8_t bytes[EQ_ENVELOPE_BYTES];
    } space;
};

#endif
