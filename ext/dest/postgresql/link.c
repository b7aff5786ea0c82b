/* ext/dest/postgresql/link.c: the connection: waited for with an eye on
 * interrupts, and made again where it was lost.
 *
 * What the connection before was still doing is ended first; the run that it
 * claimed is taken along by the next transaction, if it is ours still. */
#include "dest/postgresql/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  LOOK_MS = 100,
  OLD_MS = 30000, /* for what the lost connection was doing */
  OLDEST_SERVER = 120000
};

static int stopped(const pg *d) {
  return d->interrupted && d->interrupted(d->user);
}

int pg_wait(pg *d, int events, int64_t ms, cq_error *err) {
  int64_t until = cq_mono_ms() + ms;

  for (;;) {
    struct pollfd p = {.fd = d->lib.PQsocket(d->conn)};
    int64_t left = until - cq_mono_ms();
    int n;

    if (stopped(d)) return cq_error_set(err, CQ_INTERRUPT, "interrupted");
    if (p.fd < 0) return pg_fail(d, NULL, "", err);
    if (left <= 0) {
      d->lost = 1;
      return cq_error_set(
          err, CQ_IOERR,
          "destination %s: the server says nothing for %lld s"
          "\nhint: answer_timeout says how long a statement may "
          "take",
          d->base.name, (long long)ms / 1000);
    }
    if (events & 1) p.events |= POLLIN;
    if (events & 2) p.events |= POLLOUT;
    n = poll(&p, 1, left < LOOK_MS ? (int)left : LOOK_MS);
    if (n > 0) return CQ_OK;
    if (n < 0 && errno != EINTR)
      return cq_error_set(err, CQ_IOERR, "destination %s: %s", d->base.name,
                          strerror(errno));
  }
}

int pg_sleep(pg *d, int64_t ms, cq_error *err) {
  int64_t until = cq_mono_ms() + ms;

  for (;;) {
    int64_t left = until - cq_mono_ms();
    struct timespec t = {0, (left < LOOK_MS ? left : LOOK_MS) * 1000000L};

    if (stopped(d)) return cq_error_set(err, CQ_INTERRUPT, "interrupted");
    if (left <= 0) return CQ_OK;
    nanosleep(&t, NULL);
  }
}

void pg_disconnect(pg *d) {
  if (d->conn) d->lib.PQfinish(d->conn);
  d->conn = NULL;
}

static void be_quiet(void *arg, const pg_result *r) {
  (void)arg, (void)r;
}

/* connect_timeout of the connection string, or ours.  CQ_MISUSE where the
 * string is none; its text is not told, since a password may be in it. */
static int read_timeout(pg *d, int64_t *ms, cq_error *err) {
  char *why = NULL;
  const char *host = "the server", *port = "";
  pg_info *all = d->lib.PQconninfoParse(d->connection, &why);

  *ms = CQ_CONNECT_TIMEOUT_MS;
  if (why) d->lib.PQfreemem(why);
  if (!all) {
    cq_error_set(err, CQ_MISUSE,
                 "destination %s: connection_string: libpq cannot read it",
                 d->base.name);
    cq_error_hint(err, "postgresql://user:password@host:5432/database (with %% "
                       "escapes), or host=... dbname=...");
    return CQ_MISUSE;
  }
  for (pg_info *i = all; i->keyword; i++) {
    if (!i->val || !*i->val) continue;
    if (strcmp(i->keyword, "connect_timeout") == 0 && atoi(i->val) > 0)
      *ms = (int64_t)atoi(i->val) * 1000;
    if (strcmp(i->keyword, "host") == 0) host = i->val;
    if (strcmp(i->keyword, "port") == 0) port = i->val;
  }
  snprintf(d->where, sizeof d->where, "%s%s%s", host, *port ? ":" : "", port);
  d->lib.PQconninfoFree(all);
  return CQ_OK;
}

static int connect_fail(pg *d, const char *said, cq_error *err) {
  cq_buf text, hint;
  int auth, code;

  cq_buf_init(&text, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&hint, CQ_MAX_SPEC_BYTES);
  pg_said(said, &text, &hint);
  auth = strstr(said, "authentication failed") || strstr(said, "no password");
  code = cq_error_set(err, auth ? CQ_AUTH : CQ_IOERR, "destination %s: %s",
                      d->base.name, text.len ? text.data : "cannot connect");
  if (hint.len) cq_error_hint(err, "%s", hint.data);
  cq_buf_clear(&text);
  cq_buf_clear(&hint);
  return code;
}

static int handshake(pg *d, cq_error *err) {
  int64_t ms;
  int rc = read_timeout(d, &ms, err), state = PG_POLL_FAILED;

  if (rc == CQ_OK) rc = pg_attempt_make(d, ms, &state, err);
  if (rc) return rc;
  if (!d->conn) return cq_error_nomem(err);
  if (state == PG_POLL_FAILED)
    return connect_fail(d, d->lib.PQerrorMessage(d->conn), err);
  d->lib.PQsetnonblocking(d->conn, 1);
  d->lib.PQsetNoticeReceiver(d->conn, be_quiet, NULL);
  if (d->lib.PQserverVersion(d->conn) < OLDEST_SERVER)
    return cq_error_set(err, CQ_MISUSE,
                        "destination %s: the server is PostgreSQL %d; at least "
                        "%d is needed",
                        d->base.name, d->lib.PQserverVersion(d->conn) / 10000,
                        OLDEST_SERVER / 10000);
  return CQ_OK;
}

/* A pooler lends its servers' connections to one after the other.  Where each
 * transaction may get another, settings would be lost on the way.  Where it is
 * lent for a session (pooler: session), it goes on when the session is over, with
 * another: so the session has a token of its own, by which it is known, too.  In
 * application_name the pooler takes it away with the session. */
static int take_token(pg *d, cq_error *err) {
  d->token[0] = 0;
  if (atoi(d->backend) == d->lib.PQbackendPID(d->conn)) return CQ_OK;
  if (!d->options.pooled) {
    cq_error_set(err, CQ_MISUSE,
                 "destination %s: a pooler stands before the server, such as "
                 "PgBouncer",
                 d->base.name);
    cq_error_hint(err, "name the server's own host and port in "
                       "connection_string; or, where its pool_mode is session, "
                       "pooler: session");
    return CQ_MISUSE;
  }
  snprintf(d->token, sizeof d->token, "%016llx",
           (unsigned long long)cq_random());
  return pg_do(d, "settings", err,
               "SET application_name = 'cq %s'; SET cq.session = %L", d->token,
               d->token);
}

int pg_same_session(pg *d, cq_error *err) {
  int64_t same = 0;
  int rc;

  if (!d->token[0]) return CQ_OK;
  rc = pg_one(d, &same, "pg_stat_activity", err,
              "SELECT count(*) WHERE pg_backend_pid() = %d AND "
              "current_setting('cq.session', true) = %L",
              atoi(d->backend), d->token);
  if (rc || same) return rc;
  cq_error_set(err, CQ_IOERR,
               "destination %s: the pooler before the server has given another "
               "connection to this session",
               d->base.name);
  cq_error_hint(err, "pooler: session wants pool_mode = session");
  return CQ_IOERR;
}

/* Settings, and who we are to the server. */
static int greet(pg *d, cq_error *err) {
  pg_result *r;
  int rc = pg_words_set(d, err);

  if (rc) return rc;
  rc = pg_do(
      d, "settings", err,
      "SET standard_conforming_strings = on; SET client_min_messages = "
      "warning; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET bytea_output "
      "= 'hex'; SET extra_float_digits = 3");

  if (rc) return rc;
  r = pg_select(d, "pg_stat_activity", err,
                "SELECT pid::text || '/' || floor(extract(epoch FROM "
                "backend_start) * 1000000)::bigint, "
                "current_setting('server_encoding'), current_database() FROM "
                "pg_stat_activity WHERE "
                "pid = pg_backend_pid()");
  if (!r) return err ? err->code : CQ_IOERR;
  snprintf(d->backend, sizeof d->backend, "%s",
           pg_rows(d, r) > 0 ? pg_text(d, r, 0, 0) : "0/0");
  /* Any other has no place for most of the letters that there are. */
  if (pg_rows(d, r) > 0 && strcmp(pg_text(d, r, 0, 1), "UTF8") != 0) {
    rc =
        cq_error_set(err, CQ_MISUSE,
                     "destination %s: database %.63s: encoding %.20s: cq needs "
                     "UTF8",
                     d->base.name, pg_text(d, r, 0, 2), pg_text(d, r, 0, 1));
    cq_error_hint(err,
                  "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0");
  }
  pg_done(d, r);
  if (rc == CQ_OK) rc = take_token(d, err);
  if (rc) return rc;
  if (d->token[0]) {
    size_t n = strlen(d->backend);

    snprintf(d->backend + n, sizeof d->backend - n, "/%s", d->token);
  }
  cq_free(d->owner);
  d->owner = cq_mprintf("%s:%s", d->who, d->backend);
  return d->owner ? CQ_OK : cq_error_nomem(err);
}

int pg_backend_read(const char *text, pg_backend *out) {
  long long start = 0;

  memset(out, 0, sizeof *out);
  if (!text || sscanf(text, "%d/%lld/%19s", &out->pid, &start, out->token) < 2)
    return 0;
  out->start = start;
  return out->pid > 0;
}

/* What the connection before has left running would be in our way, and could
 * still commit: it is ended. */
int pg_end_backend(pg *d, const char *old, cq_error *err) {
  int64_t until = cq_mono_ms() + OLD_MS, n = 1;
  pg_backend b;
  int rc;

  if (!pg_backend_read(old, &b)) return CQ_OK;
  for (;;) {
    /* Within a transaction it is shown as it was at the first look. */
    rc = pg_do(d, "pg_stat_activity", err, "SELECT pg_stat_clear_snapshot()");
    if (rc) return rc;
    rc = pg_one(d, &n, "pg_stat_activity", err,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE pid = %d AND pid <> pg_backend_pid() AND usename = "
                "current_user AND "
                "floor(extract(epoch FROM backend_start) * 1000000)::bigint = "
                "%n AND (%L = '' OR application_name = 'cq %s')",
                b.pid, b.start, b.token, b.token);
    if (rc || n == 0) return rc;
    if (cq_mono_ms() > until)
      return cq_error_set(err, CQ_IOERR,
                          "destination %s: the connection that was lost is "
                          "still at work: backend %d",
                          d->base.name, b.pid);
    rc = pg_sleep(d, LOOK_MS, err);
    if (rc) return rc;
  }
}

static int connect_once(pg *d, cq_error *err) {
  char old[sizeof d->backend];
  int rc;

  memcpy(old, d->backend, sizeof old);
  d->lost = 0;
  rc = handshake(d, err);
  if (rc == CQ_OK) rc = greet(d, err);
  if (rc == CQ_OK && *old) rc = pg_end_backend(d, old, err);
  if (rc == CQ_OK) {
    d->moved = d->run != NULL;
    return CQ_OK;
  }
  pg_disconnect(d);
  memcpy(d->backend, old, sizeof old); /* whoever tries next ends it */
  return rc;
}

int pg_connect(pg *d, int patient, cq_error *err) {
  int64_t until = cq_mono_ms() + d->options.patience_ms, pause = 50;

  if (d->conn && !d->lost) return CQ_OK;
  pg_disconnect(d);
  for (;;) {
    cq_error why = {0, ""};
    int rc = connect_once(d, &why);

    if (rc == CQ_OK) {
      d->gone = 0;
      return rc;
    }
    if (!patient || d->gone || (rc != CQ_IOERR && rc != CQ_AUTH) ||
        cq_mono_ms() + pause > until) {
      d->gone = patient;
      if (err) *err = why;
      return rc;
    }
    rc = pg_sleep(d, pause, err);
    if (rc) return rc;
    if (pause < 1000) pause *= 2;
  }
}
