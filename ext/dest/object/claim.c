/* ext/dest/object/claim.c: one run of a source at a time.  A small object says
 * whose run is under way, and which runs are not settled: it is only ever put
 * where it is still as it was read, so that of two that want it one is told. */
#include "dest/object/internal.h"

#include <stdlib.h>
#include <string.h>

enum { BEAT_MS = 5000 };

static const char *text_of(const json_t *j, const char *key) {
  const char *s = json_string_value(json_object_get(j, key));

  return s ? s : "";
}

static int put_claim(obj_dest *d, obj_run *run, const char *state,
                     const char *only, cq_error *err) {
  char *key = obj_key(d, "_cq/sources/%s.json", run->name);
  char now[40];
  json_t *j;
  int rc;

  cq_dest_time(cq_now_us(), now);
  j = json_pack("{ss ss sI ss ss sI sO}", "source", run->r->source, "owner",
                d->owner, "sync_group_id", (json_int_t)run->r->group, "state",
                state, "updated", now, "base", (json_int_t)run->base, "pending",
                run->pending);
  rc = key && j ? obj_put_json(d, key, j, only, run->claim_tag, err)
                : cq_error_nomem(err);
  json_decref(j);
  cq_free(key);
  if (rc == CQ_BUSY)
    cq_error_set(err, rc,
                 "source %s: another run of it has begun in %s meanwhile",
                 run->r->source, d->base.name);
  if (rc == CQ_OK) run->beat_ms = cq_mono_ms();
  return rc;
}

/* The claim as it is, or CQ_BUSY, in words, where another's run holds it. */
static int claim_read(obj_dest *d, const obj_run *run, const cq_dest_run *r,
                      json_t **was, cq_object_tag tag, cq_error *err) {
  char *key = obj_key(d, "_cq/sources/%s.json", run->name);
  int rc = key ? obj_get_json(d, key, was, tag, err) : cq_error_nomem(err);

  cq_free(key);
  if (rc || strcmp(text_of(*was, "state"), "running") != 0 ||
      !cq_dest_owner_runs(text_of(*was, "owner"), d->owner,
                          text_of(*was, "updated")))
    return rc;
  rc = cq_dest_source_busy(
      r, &d->base, text_of(*was, "owner"), d->owner,
      json_integer_value(json_object_get(*was, "sync_group_id")), err);
  json_decref(*was);
  *was = NULL;
  return rc;
}

/* Somebody else's has come in between. */
static int claim_lost(obj_dest *d, const obj_run *run, const cq_dest_run *r,
                      cq_error *err) {
  json_t *now = NULL;
  cq_object_tag tag = "";
  int rc = claim_read(d, run, r, &now, tag, err);

  json_decref(now);
  return rc ? rc
            : cq_error_set(err, CQ_BUSY,
                           "source %s: is being synced into %s by another "
                           "connection, which has begun just now",
                           r->source, d->base.name);
}

int obj_claim(obj_dest *d, obj_run *run, cq_dest_run *r, cq_error *err) {
  json_t *was = NULL, *left;
  cq_object_tag tag = "";
  int64_t last;
  int rc = claim_read(d, run, r, &was, tag, err);

  if (rc) return rc;
  left = json_object_get(was, "pending");
  run->pending = left ? json_deep_copy(left) : json_array();
  last = json_integer_value(json_object_get(was, "base"));
  if (r->resume && json_array_size(run->pending)) r->retry = 1;
  r->base = r->retry ? last : 0;
  run->base = r->base ? last : r->group;
  json_decref(was);
  if (!run->pending ||
      json_array_append_new(run->pending, json_integer((json_int_t)r->group)))
    return cq_error_nomem(err);
  rc = put_claim(d, run, "running", tag, err);
  if (rc == CQ_BUSY) return claim_lost(d, run, r, err);
  if (rc) return rc;
  run->claimed = 1;
  return CQ_OK;
}

int obj_claim_beat(obj_dest *d, obj_run *run, cq_error *err) {
  if (!run->claimed || cq_mono_ms() - run->beat_ms < BEAT_MS) return CQ_OK;
  return put_claim(d, run, "running", run->claim_tag, err);
}

int obj_claim_hold(obj_dest *d, obj_run *run, cq_error *err) {
  if (!run->claimed) return CQ_OK;
  return put_claim(d, run, "running", run->claim_tag, err);
}

int obj_claim_end(obj_dest *d, obj_run *run, int settled, cq_error *err) {
  if (!run->claimed) return CQ_OK;
  run->claimed = 0;
  if (settled) json_array_clear(run->pending);
  return put_claim(d, run, "over", run->claim_tag, err);
}
