/* The commands that the core answers: PROTOCOL.md sections 4 to 6. */
#ifndef EQ_COMMANDS_H
#define EQ_COMMANDS_H

#include "eq_cbor.h"
#include "eq_core_state.h"

/* As target profiles name the runtime; the version counts plan ABIs. */
#define EQ_RUNTIME_NAME "edgeq-micro"
#define EQ_RUNTIME_VERSION "1"

/* Read `body`, write the map of the answer. EQ_OK, or what is refused, then usually by `eq_refuse`. */
typedef int eq_command(struct eq_core *core, const struct eq_item *body, struct eq_writer *out);

eq_command eq_os_echo, eq_os_reset, eq_os_params;
eq_command eq_image_state, eq_image_adopt, eq_image_upload, eq_image_erase;
eq_command eq_describe, eq_sensors, eq_line;
eq_command eq_blob_have, eq_blob_put;
eq_command eq_releases, eq_member;
eq_command eq_invoke_chunk, eq_output_piece;
eq_command eq_trial_confirm, eq_trial_report;
eq_command eq_job_stage, eq_job_selftest, eq_job_activate, eq_job_rollback, eq_job_bench, eq_job_profile, eq_job_verify;
eq_command eq_job_poll;

/* `status`, with the reason for people. */
int eq_refuse(struct eq_core *core, int status, const char *why);

/* What the board's sensors say, as a map. */
void eq_put_sensors(struct eq_core *core, struct eq_writer *out);

/* Take a piece of an image or a manifest: `eq_slots_receive`, after an image's envelope was judged. */
int eq_take(struct eq_core *core, const struct eq_blob *blob, uint32_t off, const uint8_t *data, uint32_t bytes,
            uint32_t *wanted);

/* Whether an image that begins like this can run here, and is signed as this device asks. */
int eq_judge(struct eq_core *core, const struct eq_envelope *envelope, uint32_t bytes);

/* Signatures, where the configuration has keys: without them all of this is EQ_OK. Of an envelope; of the release of the
 * job, its body too, a piece with every call as `eq_job_step` wants it; of a slot, all at once. `eq_load` asks for a slot
 * that was not looked at since the start. */
int eq_judge_signature(struct eq_core *core, const struct eq_envelope *envelope);
int eq_signed_some(struct eq_core *core);
int eq_signed_slot(struct eq_core *core, uint32_t slot);

/* "signed": the ids of the device's keys that signed the image in a slot, which was found signed. */
void eq_put_signers(const struct eq_core *core, uint32_t slot, struct eq_writer *out);

/* What serves without being signed as it must be does not: at start, and where another release came to serve. */
void eq_signed_start(struct eq_core *core);

/* The slot of the release `n` of a request, or without it of the serving one. */
int eq_slot_of(struct eq_core *core, const struct eq_item *body, uint32_t *slot);

/* Whether a slot holds a release, whatever became of it. */
int eq_is_release(const struct eq_core *core, uint32_t slot);

/* "len" and "data": of a whole of `all` bytes as many of the `bytes` at `data` as an answer holds. */
void eq_put_piece(const struct eq_core *core, struct eq_writer *out, uint32_t all, const uint8_t *data, uint32_t bytes);

/* A release's state as PROTOCOL.md says it; anything else is "bad". */
const char *eq_state_name(unsigned state);

/* The body of a slot's image; NULL where it is too short for one. */
const struct eq_body *eq_slot_body(const struct eq_core *core, uint32_t slot);

/* Open the model of a slot unless it is open, and forget the inference that another one was used for. */
int eq_load(struct eq_core *core, uint32_t slot);
void eq_unload(struct eq_core *core);

/* The front end takes some bytes of a raw input; with the last of them the model's input is whole. */
void eq_feed(struct eq_core *core, const uint8_t *data, uint32_t bytes, int last);

/* EQ_OK, or EQ_BUSY while a job runs; one that waits for a host which asks for something else is given up. */
int eq_free(struct eq_core *core);

/* The digest that a request names: EQ_NOT_FOUND without the key, EQ_INVALID where it is none. */
int eq_digest_of(const struct eq_item *body, const char *key, const uint8_t **digest);

/* What arrived or was installed under this digest: a slot, or EQ_SLOTS. */
uint32_t eq_slot_named(const struct eq_core *core, const uint8_t *digest);

/* Whether there is a job that can go on now. */
int eq_job_can_step(const struct eq_core *core);

/* One piece of it. */
void eq_job_step(struct eq_core *core);

#define EQ_MOST_RUNS 1000000u

enum eq_job_kind {
    EQ_JOB_STAGE,
    EQ_JOB_SELFTEST,
    EQ_JOB_ACTIVATE,
    EQ_JOB_ADOPT, /* stage and activate */
    EQ_JOB_TRIAL, /* a trial that a restart interrupted is tested again */
    EQ_JOB_ROLLBACK,
    EQ_JOB_BENCH,
    EQ_JOB_PROFILE,
    EQ_JOB_VERIFY
};

enum eq_job_state { EQ_JOB_IDLE, EQ_JOB_RUNNING, EQ_JOB_DONE, EQ_JOB_FAILED };

/* At a start: a trial that a restart interrupted is over, or counted and, if it is still one, begins its self-test. */
void eq_watch_resume(struct eq_core *core);
void eq_watch_start(struct eq_core *core);

/* The trial in `slot` has passed its self-test: it is confirmed, or waits for what its policy asks for. */
int eq_watch_begin(struct eq_core *core, uint32_t slot);

/* An inference of a slot came to its end. */
void eq_watch_good(struct eq_core *core, uint32_t slot);

/* Confirm the trial when it has waited long enough; called again and again. */
void eq_watch_poll(struct eq_core *core);

/* EQ_TIMEOUT where the golden vectors' inferences, whose ticks are the job's samples, took longer than the policy of the
 * release in `slot` allows. */
int eq_watch_latency(struct eq_core *core, uint32_t slot);

/* "watch" of `releases`. */
void eq_put_watch(const struct eq_core *core, uint32_t trial, struct eq_writer *out);

/* Why a release is bad after a trial that failed with `status`; and the same for people. */
enum eq_why eq_why_of(int status);
const char *eq_why_text(unsigned why);

/* What a job is doing, for people. */
const char *eq_job_phase(const struct eq_job *job);

/* Begin a job. */
int eq_job_begin(struct eq_core *core, enum eq_job_kind kind, uint32_t slot);

/* Verify: on to the release in the next slot, which is 1, and at last to the one that serves: EQ_OK, or EQ_NOT_FOUND where
 * there is none to be tested. Something is wrong with the present one, as was just refused. What came of it. */
int eq_verify_next(struct eq_core *core);
void eq_verify_fault(struct eq_core *core);
void eq_put_found(const struct eq_core *core, struct eq_writer *out);

/* Whether the counter counts instructions rather than time. */
static inline int eq_counts(const struct eq_core *core)
{
    return core->config->instructions_den != 0;
}

/* The counter; and ticks since the start, for which it is looked at more often than the counter wraps. */
uint32_t eq_now(const struct eq_core *core);
uint64_t eq_clock(struct eq_core *core);

/* The quotient; a division that needs no library. */
uint64_t eq_divide(uint64_t value, uint32_t by, uint32_t *rest);

/* Ticks in nanoseconds or instructions. */
uint64_t eq_spent(const struct eq_core *core, uint64_t ticks);

/* A step of the inference that a job is at, or all the steps: 1 while there is more to do, else 0. */
int eq_timed_step(struct eq_core *core, int whole);

/* From `on` to off nothing but the caller runs, where the port can do that. */
void eq_hush(const struct eq_core *core, int on);

/* A step of measuring, and what came of it. */
int eq_measure(struct eq_core *core);
void eq_put_bench(struct eq_core *core, struct eq_writer *out);

/* A number that the host gets, in ticks or of an op. */
void eq_add_sample(struct eq_core *core, uint32_t value);

/* The pin of a power meter. */
void eq_trigger(const struct eq_core *core, int high);

/* The work goes on: the watchdog is fed, and the clock counted. */
void eq_idle(struct eq_core *core);

#endif
