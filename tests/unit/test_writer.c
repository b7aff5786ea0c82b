/* tests/unit/test_writer.c: a store behind its writer: nothing is lost, mixed or
 * told late, however slow, dead or wrong the store is. */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dest/dest.h"
#include "test.h"

enum { ROWS = 100, TEXT = 1000 };

/* The store under test: counts what it is given, and does as it is told.  Its
 * members are read after a drain or a close, when its thread has none at work. */
typedef struct fake {
  cq_dest base;
  const cq_dest_def *def;
} fake;
static struct {
  int delay_ms, hang, fail_write, fail_end, fail_publish, fail_open;
  int fail_journal; /* the code that it gives; 0 = it does not */
  int beats, allow; /* rows that are taken, and no more; 0 = all */
  int rows, wrong, ends, failed_ends, published, closed, drops, commits, reads;
  int refuse; /* the next commit finds that its table is refused */
  cq_dest_table *refused;
  char last[64];
  int64_t seen; /* the next number that a row is to have */
} it;

static void hang(int yes) {
  __atomic_store_n(&it.hang, yes, __ATOMIC_SEQ_CST);
}
static int hangs(void) {
  return __atomic_load_n(&it.hang, __ATOMIC_SEQ_CST);
}

static void nap(int ms) {
  struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

  nanosleep(&t, NULL);
}

static int fake_open(const cq_dest_def *d, int make, cq_dest **out,
                     cq_error *err) {
  fake *f;

  (void)make;
  if (it.fail_open)
    return cq_error_set(err, CQ_AUTH, "no such user, password hunter22");
  f = calloc(1, sizeof *f);
  if (!f) return cq_error_nomem(err);
  f->def = d;
  *out = &f->base;
  return CQ_OK;
}

static void fake_close(cq_dest *d) {
  it.closed++;
  free(d);
}

static int fake_last(cq_dest *d, int64_t *out, cq_error *err) {
  (void)d, (void)err;
  *out = 41;
  return CQ_OK;
}

static int fake_begin(cq_dest *d, cq_dest_run *r, cq_error *err) {
  (void)d, (void)err;
  r->base = 7;
  return CQ_OK;
}

static int fake_migrate(cq_dest *d, cq_dest_table *t, int dry, cq_buf *b,
                        cq_error *err) {
  (void)d, (void)t, (void)dry, (void)b, (void)err;
  return CQ_OK;
}

static int fake_states(cq_dest *d, const cq_dest_run *r, const char *table,
                       int (*each)(void *, const char *, const cq_dest_state *),
                       void *user, cq_error *err) {
  cq_dest_state s = {5, 3, (char *)(uintptr_t) "then", 1};
  char client[16];

  (void)d, (void)r, (void)table, (void)err;
  for (int i = 99; i >= 0; i--) {
    snprintf(client, sizeof client, "c%d", i);
    s.rows = i;
    if (each(user, client, &s)) return CQ_NOMEM;
  }
  return CQ_OK;
}

static int fake_read(cq_dest *d, const cq_dest_run *r, const cq_dest_table *t,
                     const char *client, int64_t group,
                     int (*each)(void *, const cq_batch *), void *user,
                     cq_error *err) {
  cq_batch *b = cq_batch_new(1);
  int rc = CQ_OK;

  (void)d, (void)r, (void)t, (void)client, (void)err;
  it.reads++;
  for (int i = 0; i < 3 && b && rc == CQ_OK; i++) {
    cq_value *row = cq_batch_add(b);

    if (row) row[0] = cq_value_int(group + i);
    rc = each(user, b);
    cq_batch_reset(b);
  }
  cq_batch_free(b);
  return rc;
}

static int fake_write(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
                      const cq_dest_rows *rows, cq_error *err) {
  const fake *f = (const fake *)(void *)d;

  it.refused = u->table;
  if (it.delay_ms) nap(it.delay_ms);
  while (hangs() && !f->def->interrupted(f->def->user)) nap(5);
  for (int k = 0; k < 5000; k++) {
    int allow = __atomic_load_n(&it.allow, __ATOMIC_SEQ_CST);

    if (!allow || it.rows < allow) break;
    nap(1);
  }
  if (hangs()) return cq_error_set(err, CQ_INTERRUPT, "interrupted");
  if (it.fail_write && ++it.fail_write > 3)
    return cq_error_set(err, CQ_ERROR, "refused: a row of %s", u->client);
  for (int i = 0; i < rows->batch->nrow; i++) {
    cq_value n = cq_dest_cell(r, u, rows, i, CQ_META);
    cq_value t = cq_dest_cell(r, u, rows, i, CQ_META + 1);
    cq_value id = cq_dest_cell(r, u, rows, i, 4);

    it.wrong += n.kind != CQ_INT || n.u.i != it.seen++ || t.kind != CQ_STR ||
                t.len != TEXT || t.u.s[0] != 't' || t.u.s[TEXT - 1] != 't' ||
                id.len != 36 || id.u.s[0] != 'i';
  }
  __atomic_add_fetch(&it.rows, rows->batch->nrow, __ATOMIC_SEQ_CST);
  return CQ_OK;
}

static int fake_end(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
                    const char *status, const char *cursor, cq_error *err) {
  (void)d, (void)r;
  it.ends++;
  it.failed_ends += strcmp(status, "failed") == 0;
  snprintf(it.last, sizeof it.last, "%s %s %s", u->client, status,
           cursor ? cursor : "-");
  if (it.fail_end) return cq_error_set(err, CQ_ERROR, "the end is refused");
  if (strcmp(status, "ok") == 0) u->table->n.rows += u->rows;
  if (strcmp(status, "ok") == 0) u->table->n.inserted += u->rows;
  cq_dest_odd(u, CQ_META, &(cq_value){CQ_STR, 0, 0, 3, {.s = "odd"}});
  return CQ_OK;
}

static void fake_drop(cq_dest *d, cq_dest_table *t) {
  (void)d, (void)t;
  it.drops++;
}

static int fake_put_table(cq_dest *d, const cq_dest_run *r,
                          const cq_dest_table *t, cq_error *err) {
  (void)d, (void)r, (void)t, (void)err;
  return CQ_OK;
}

static int fake_put_error(cq_dest *d, const cq_dest_run *r, const char *table,
                          const char *client, const char *kind,
                          const char *message, cq_error *err) {
  (void)d, (void)r, (void)table, (void)client, (void)kind, (void)message;
  if (it.fail_journal)
    return cq_error_set(err, it.fail_journal, "no entry, password hunter22");
  return CQ_OK;
}

static int fake_put_run(cq_dest *d, const cq_dest_run *r, const char *status,
                        const cq_counts *n, int ntable, const char *message,
                        cq_error *err) {
  const fake *f = (const fake *)(void *)d;
  int cut = 0;

  (void)r, (void)n, (void)ntable, (void)message, (void)err;
  for (int i = 0; i < 20 && strcmp(status, "interrupted") == 0; i++) {
    cut |= f->def->interrupted(f->def->user);
    nap(10);
  }
  it.beats += strcmp(status, "running") == 0;
  snprintf(it.last, sizeof it.last, "run %s%s", status, cut ? " cut" : "");
  return CQ_OK;
}

static int fake_commit(cq_dest *d, int force, cq_error *err) {
  (void)d, (void)err;
  it.commits += force;
  if (force && it.refuse && it.refused) it.refused->n.inserted++;
  return CQ_OK;
}

static int fake_poll(cq_dest *d, cq_dest_event *out) {
  (void)d;
  if (!it.refuse || !it.commits || !it.refused) return CQ_DONE;
  memset(out, 0, sizeof *out);
  out->table = it.refused;
  cq_error_set(&out->why, CQ_ERROR, "a row is refused, password hunter22");
  it.refuse = 0;
  return CQ_ROW;
}

static int fake_publish(cq_dest *d, const cq_dest_run *r,
                        cq_dest_table *const *t, int nt, const char *status,
                        const cq_counts *n, const char *message,
                        cq_error *err) {
  (void)d, (void)r, (void)status, (void)n, (void)message;
  if (it.fail_publish) return cq_error_set(err, CQ_IOERR, "gone");
  it.published = nt;
  t[0]->n.deleted = 4;
  return CQ_OK;
}

static const cq_dest_ops fake_ops = {.name = "fake",
                                     .threaded = 1,
                                     .open = fake_open,
                                     .close = fake_close,
                                     .last_group = fake_last,
                                     .begin = fake_begin,
                                     .migrate = fake_migrate,
                                     .states = fake_states,
                                     .read = fake_read,
                                     .write = fake_write,
                                     .end = fake_end,
                                     .drop = fake_drop,
                                     .put_table = fake_put_table,
                                     .put_error = fake_put_error,
                                     .put_run = fake_put_run,
                                     .commit = fake_commit,
                                     .poll = fake_poll,
                                     .publish = fake_publish};

/* ---- a run over it ------------------------------------------------------------- */

static int interrupts; /* the caller is interrupted after so many questions; -1:
                          and stays so */
static int asked(void *user) {
  (void)user;
  return interrupts < 0 || (interrupts > 0 && --interrupts == 0);
}

static cq_column columns[2];
static cq_table def;
static int cols[2] = {0, 1};
static cq_dest_table table;
static cq_dest_unit unit;
static cq_dest_run run;
static cq_dest *dest;
static int64_t sent;

static int begin(int several) {
  static const char *secrets[] = {"hunter22"};
  cq_dest_def d;
  cq_error err = {0, ""};
  int rc;

  memset(&it, 0, sizeof it);
  memset(&d, 0, sizeof d);
  memset(&def, 0, sizeof def);
  memset(&table, 0, sizeof table);
  memset(&unit, 0, sizeof unit);
  memset(&run, 0, sizeof run);
  columns[0].name = "n";
  columns[0].type = CQ_INTEGER;
  columns[1].name = "t";
  columns[1].type = CQ_TEXT;
  def.name = "things";
  def.ncol = 2;
  def.nslot = 2;
  def.columns = columns;
  table.def = &def;
  table.ncol = 2;
  table.cols = cols;
  table.status = "running";
  unit.table = &table;
  unit.client = "c1";
  run.source = "s";
  run.time = "2024-01-01T00:00:00Z";
  run.group = 42;
  d.name = "there";
  d.several = several;
  d.interrupted = asked;
  d.secrets = secrets;
  d.nsecret = 1;
  interrupts = 0;
  sent = 0;
  rc = cq_dest_open(&fake_ops, &d, 1, &dest, &err);
  CHECK_INT(rc, CQ_OK);
  if (rc) return rc;
  CHECK_INT(dest->ops->begin(dest, &run, &err), CQ_OK);
  CHECK_INT(run.base, 7);
  CHECK_INT(dest->ops->migrate(dest, &table, 0, NULL, &err), CQ_OK);
  return CQ_OK;
}

static int send(int batches, cq_error *err) {
  char text[TEXT], ids[37 * ROWS];
  cq_batch *b = cq_batch_new(2);
  int rc = CQ_OK;

  memset(text, 't', sizeof text);
  memset(ids, 'i', sizeof ids);
  for (int k = 0; k < batches && rc == CQ_OK && b; k++) {
    cq_pack *pack = NULL;
    cq_dest_rows rows = {b, ids, NULL, &pack};

    cq_batch_reset(b);
    for (int i = 0; i < ROWS; i++) {
      cq_value *row = cq_batch_add(b);

      if (!row) break;
      row[0] = cq_value_int(sent++);
      row[1] = cq_value_str(text, sizeof text);
    }
    rc = dest->ops->write(dest, &run, &unit, &rows, err);
    cq_pack_unref(pack);
  }
  cq_batch_free(b);
  return rc;
}

static int finish(cq_error *err) {
  cq_dest_table *all[1] = {&table};
  cq_counts n;
  int rc = dest->ops->drain(dest, err);

  memset(&n, 0, sizeof n);
  if (rc == CQ_OK)
    rc = dest->ops->publish(dest, &run, all, 1, "success", &n, NULL, err);
  return rc;
}

static void test_writer_rows_come_in_order_and_once(void) {
  cq_error err = {0, ""};
  cq_dest_event e;
  int64_t last;

  if (begin(0)) return;
  CHECK_INT(dest->ops->last_group(dest, &last, &err), CQ_OK);
  CHECK_INT(last, 41);
  CHECK_INT(send(300, &err), CQ_OK);
  CHECK_INT(dest->ops->end(dest, &run, &unit, "ok", "2024", &err), CQ_OK);
  CHECK_INT(finish(&err), CQ_OK);
  CHECK_INT(it.rows, 300 * ROWS);
  CHECK_INT(it.wrong, 0);
  CHECK_STR(it.last, "c1 ok 2024");
  CHECK_INT(it.published, 1);
  CHECK_INT(table.n.inserted, 300 * ROWS);
  CHECK_INT(table.n.deleted, 4);
  CHECK_INT(it.commits, 1);                     /* drained */
  CHECK_INT(dest->ops->poll(dest, &e), CQ_ROW); /* a value that did not fit */
  CHECK_INT(e.warning, 1);
  CHECK_INT(dest->ops->poll(dest, &e), CQ_DONE);
  dest->ops->drop(dest, &table);
  dest->ops->close(dest);
  CHECK_INT(it.closed, 1);
  CHECK(it.drops >= 1);
}

static void test_writer_warnings_are_told(void) {
  cq_error err = {0, ""};
  cq_dest_event e;

  if (begin(0)) return;
  CHECK_INT(send(1, &err), CQ_OK);
  CHECK_INT(dest->ops->end(dest, &run, &unit, "ok", NULL, &err), CQ_OK);
  CHECK_INT(dest->ops->drain(dest, &err), CQ_OK);
  CHECK_INT(dest->ops->poll(dest, &e), CQ_ROW);
  CHECK_INT(e.warning, 1);
  CHECK(e.table == &table);
  CHECK_STR(e.client, "c1");
  CHECK(strstr(e.why.text, "n: odd") != NULL);
  CHECK_INT(dest->ops->poll(dest, &e), CQ_DONE);
  dest->ops->close(dest);
}

static void test_writer_lost_entries_of_the_journal_are_told_once(void) {
  cq_error err = {0, ""};
  cq_dest_event e;

  if (begin(0)) return;
  it.fail_journal = CQ_ERROR;
  for (int i = 0; i < 3; i++)
    CHECK_INT(
        dest->ops->put_error(dest, &run, "things", "c1", "failed", "why", &err),
        CQ_OK);
  CHECK_INT(dest->ops->drain(dest, &err), CQ_OK);
  CHECK_INT(dest->ops->poll(dest, &e), CQ_ROW);
  CHECK_INT(e.warning, 1);
  CHECK(e.table == NULL);
  CHECK_STR(e.why.text, "no entry, password ***");
  CHECK_INT(dest->ops->poll(dest, &e), CQ_DONE);
  CHECK_INT(send(1, &err), CQ_OK);
  dest->ops->close(dest);
}

static void test_writer_a_source_taken_over_ends_it(void) {
  cq_error err = {0, ""};
  cq_dest_event e;

  if (begin(0)) return;
  it.fail_journal = CQ_BUSY;
  CHECK_INT(
      dest->ops->put_error(dest, &run, "things", "c1", "failed", "why", &err),
      CQ_OK);
  CHECK_INT(dest->ops->drain(dest, &err), CQ_OK);
  CHECK_INT(dest->ops->poll(dest, &e), CQ_ROW);
  CHECK_INT(e.warning, 0);
  CHECK(e.table == NULL);
  CHECK_INT(send(1, &err), CQ_BUSY);
  dest->ops->close(dest);
}

/* What the caller has told stands behind rows: the store hears that the run is
 * alive all the same, until it is over. */
static void test_writer_signs_of_life_do_not_wait_behind_rows(void) {
  cq_error err = {0, ""};
  int beats;

  if (begin(0)) return;
  it.delay_ms = 700;
  CHECK_INT(send(4, &err), CQ_OK);
  CHECK_INT(finish(&err), CQ_OK);
  beats = it.beats;
  CHECK(beats >= 1);
  nap(1600);
  CHECK_INT(it.beats, beats);
  dest->ops->close(dest);
}

/* A store that gathers finds out later, under a call that has no table. */
static void test_writer_table_refused_later_is_told(void) {
  cq_error err = {0, ""};
  cq_dest_event e;

  if (begin(0)) return;
  it.refuse = 1;
  CHECK_INT(send(1, &err), CQ_OK);
  CHECK_INT(dest->ops->drain(dest, &err), CQ_OK);
  CHECK_INT(dest->ops->poll(dest, &e), CQ_ROW);
  CHECK_INT(e.warning, 0);
  CHECK(e.table == &table);
  CHECK_STR(e.why.text, "a row is refused, password ***");
  CHECK_INT(table.n.inserted, 0); /* append: nothing of it will be seen */
  CHECK_INT(dest->ops->poll(dest, &e), CQ_DONE);
  CHECK_INT(send(1, &err), CQ_ERROR);
  dest->ops->close(dest);
}

static void test_writer_failed_write_fails_its_table_and_is_told_once(void) {
  cq_error err = {0, ""};
  cq_dest_event e;
  int rc;

  if (begin(0)) return;
  it.fail_write = 1;
  rc = send(200, &err); /* sooner or later */
  CHECK_INT(dest->ops->drain(dest, NULL), CQ_OK);
  if (rc == CQ_OK) rc = send(1, &err);
  CHECK_INT(rc, CQ_ERROR);
  CHECK_STR(err.text, "refused: a row of c1");
  CHECK_INT(dest->ops->end(dest, &run, &unit, "ok", NULL, &err), CQ_OK);
  CHECK_INT(dest->ops->drain(dest, &err), CQ_OK);
  CHECK_INT(it.failed_ends, 1);
  CHECK_INT(it.rows, 2 * ROWS);
  CHECK_INT(dest->ops->poll(dest, &e), CQ_ROW);
  CHECK_INT(e.warning, 0);
  CHECK_STR(e.why.text, "refused: a row of c1");
  while ((rc = dest->ops->poll(dest, &e)) == CQ_ROW) CHECK_INT(e.warning, 1);
  dest->ops->close(dest);
}

static void test_writer_failed_end_is_told(void) {
  cq_error err = {0, ""};
  cq_dest_event e;

  if (begin(0)) return;
  it.fail_end = 1;
  CHECK_INT(send(3, &err), CQ_OK);
  CHECK_INT(dest->ops->end(dest, &run, &unit, "ok", NULL, &err), CQ_OK);
  CHECK_INT(dest->ops->drain(dest, &err), CQ_OK);
  CHECK_INT(dest->ops->poll(dest, &e), CQ_ROW);
  CHECK_STR(e.why.text, "the end is refused");
  dest->ops->close(dest);
}

static void test_writer_slow_store_makes_its_only_caller_wait(void) {
  cq_error err = {0, ""};

  if (begin(0)) return;
  it.delay_ms = 1;
  CHECK_INT(send(150, &err), CQ_OK); /* 15 MB: more than the queue holds */
  /* What may wait in memory is 8 MiB, so that a third at least is written. */
  CHECK(__atomic_load_n(&it.rows, __ATOMIC_SEQ_CST) >= 50 * ROWS);
  CHECK_INT(dest->ops->end(dest, &run, &unit, "ok", NULL, &err), CQ_OK);
  CHECK_INT(finish(&err), CQ_OK);
  CHECK_INT(it.rows, 150 * ROWS);
  CHECK_INT(it.wrong, 0);
  dest->ops->close(dest);
}

static void test_writer_slow_store_makes_no_other_wait(void) {
  cq_error err = {0, ""};

  if (begin(1)) return;
  hang(1);                           /* until it is let go */
  CHECK_INT(send(400, &err), CQ_OK); /* 40 MB, by way of the spool */
  CHECK_INT(it.rows, 0);
  CHECK_INT(dest->ops->busy(dest), 1);
  CHECK_INT(dest->ops->end(dest, &run, &unit, "ok", NULL, &err), CQ_OK);
  hang(0);
  /* The call that hung gives its own error only when it is interrupted. */
  CHECK_INT(dest->ops->drain(dest, &err), CQ_OK);
  CHECK_INT(it.rows, 400 * ROWS);
  CHECK_INT(it.wrong, 0);
  dest->ops->close(dest);
}

/* Files that have no name any more: what is kept aside. */
static long long aside(void) {
  long long sum = 0;
  struct stat s;

  for (int fd = 3; fd < 256; fd++)
    if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_nlink == 0)
      sum += s.st_size;
  return sum;
}

/* 300 MB pass by way of the spool, of which 15 MB always wait. */
static void test_writer_spool_is_used_again_before_it_is_empty(void) {
  cq_error err = {0, ""};
  long long most = 0;

  if (begin(1)) return;
  for (int i = 1; i <= 300; i++) {
    int allow = i > 15 ? (i - 15) * 10 * ROWS : 1;

    __atomic_store_n(&it.allow, allow, __ATOMIC_SEQ_CST);
    CHECK_INT(send(10, &err), CQ_OK);
    for (int k = 0; k < 5000 && allow > 1 &&
                    __atomic_load_n(&it.rows, __ATOMIC_SEQ_CST) < allow;
         k++)
      nap(1);
    if (aside() > most) most = aside();
  }
  __atomic_store_n(&it.allow, 0, __ATOMIC_SEQ_CST);
  CHECK_INT(dest->ops->drain(dest, &err), CQ_OK);
  CHECK_INT(it.rows, 3000 * ROWS);
  CHECK_INT(it.wrong, 0);
  CHECK(most > 64 << 20);
  CHECK(most < 200 << 20);
  dest->ops->close(dest);
}

/* A job is small, and many are not: they wait for room as rows do. */
static void test_writer_jobs_that_wait_are_bounded_in_bytes(void) {
  cq_error err = {0, ""};
  char text[1001];
  int n = 0, rc = CQ_OK;

  if (begin(1)) return;
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = '\0';
  hang(1);
  CHECK_INT(send(1, &err), CQ_OK);
  interrupts = 2;
  while (rc == CQ_OK && n < 20000) {
    rc = dest->ops->put_error(dest, &run, "things", "c1", "failed", text, &err);
    n++;
  }
  CHECK_INT(rc, CQ_INTERRUPT);
  CHECK(n > 4000);
  CHECK(n < 9000);
  hang(0);
  CHECK_INT(dest->ops->drain(dest, &err), CQ_OK);
  dest->ops->close(dest);
}

static void test_writer_interrupt_ends_what_hangs(void) {
  cq_error err = {0, ""};

  if (begin(0)) return;
  hang(1);
  CHECK_INT(send(2, &err), CQ_OK);
  interrupts = 3;
  CHECK_INT(dest->ops->drain(dest, &err), CQ_INTERRUPT);
  hang(0);
  /* The run is given up: that is the last word, and rows that waited are gone. */
  CHECK_INT(
      dest->ops->put_run(dest, &run, "interrupted", &table.n, 1, NULL, &err),
      CQ_OK);
  dest->ops->close(dest);
  CHECK_STR(it.last, "run interrupted");
  CHECK_INT(it.rows, 0);
  CHECK_INT(it.closed, 1);
}

/* The host stays interrupted until its statement ends; that the run was can be
 * said all the same. */
static void test_writer_last_word_is_said_in_spite_of_an_interrupt(void) {
  cq_error err = {0, ""};
  cq_counts n;

  if (begin(0)) return;
  memset(&n, 0, sizeof n);
  interrupts = -1;
  CHECK_INT(dest->ops->put_run(dest, &run, "interrupted", &n, 1, NULL, &err),
            CQ_OK);
  CHECK_STR(it.last, "run interrupted");
  dest->ops->close(dest);
}

static void test_writer_interrupt_while_the_queue_is_full(void) {
  cq_error err = {0, ""};

  if (begin(0)) return;
  hang(1);
  interrupts = 3;
  CHECK_INT(send(400, &err), CQ_INTERRUPT);
  hang(0);
  dest->ops->put_run(dest, &run, "interrupted", &table.n, 1, NULL, NULL);
  dest->ops->close(dest);
  CHECK_STR(it.last, "run interrupted");
}

static void test_writer_publish_that_fails_is_told(void) {
  cq_error err = {0, ""};

  if (begin(0)) return;
  it.fail_publish = 1;
  CHECK_INT(finish(&err), CQ_IOERR);
  CHECK_STR(err.text, "gone");
  dest->ops->close(dest);
}

static void test_writer_open_that_fails_tells_no_secret(void) {
  static const char *secrets[] = {"hunter22"};
  cq_dest_def d;
  cq_error err = {0, ""};

  memset(&it, 0, sizeof it);
  memset(&d, 0, sizeof d);
  d.name = "there";
  d.secrets = secrets;
  d.nsecret = 1;
  it.fail_open = 1;
  CHECK_INT(cq_dest_open(&fake_ops, &d, 1, &dest, &err), CQ_AUTH);
  CHECK_STR(err.text, "destination there: no such user, password ***");
  CHECK(dest == NULL);
  CHECK_INT(it.closed, 0);
}

static void test_writer_states_are_asked_for_once_a_table(void) {
  cq_dest_state s;
  cq_error err = {0, ""};

  if (begin(0)) return;
  for (int i = 0; i < 100; i++) {
    char client[16];

    snprintf(client, sizeof client, "c%d", i);
    CHECK_INT(dest->ops->state(dest, &run, "things", client, &s, &err), CQ_OK);
    CHECK_INT(s.rows, i);
    CHECK_INT(s.done, 1);
    CHECK_STR(s.cursor, "then");
    cq_free(s.cursor);
  }
  CHECK_INT(dest->ops->state(dest, &run, "things", "none", &s, &err), CQ_OK);
  CHECK_INT(s.group, 0);
  CHECK(s.cursor == NULL);
  dest->ops->close(dest);
}

static void test_writer_keeps_rows_for_the_tables_below(void) {
  cq_error err = {0, ""};
  const cq_value *row;
  cq_rows rows;
  int n = 0;

  if (begin(0)) return;
  table.wanted = 1;
  CHECK_INT(send(5, &err), CQ_OK);
  unit.client = "c2";
  CHECK_INT(send(2, &err), CQ_OK);
  CHECK_INT(dest->ops->rows(dest, &run, &table, "c1", 42, 0, &rows, &err),
            CQ_OK);
  while (rows.next(rows.user, &row, &err) == CQ_ROW) CHECK_INT(row[0].u.i, n++);
  rows.close(rows.user);
  CHECK_INT(n, 5 * ROWS);
  CHECK_INT(dest->ops->rows(dest, &run, &table, "c3", 42, 0, &rows, &err),
            CQ_OK);
  CHECK_INT(rows.next(rows.user, &row, &err), CQ_DONE);
  rows.close(rows.user);
  /* Of an earlier run: the store is asked. */
  CHECK_INT(dest->ops->rows(dest, &run, &table, "c1", 30, 0, &rows, &err),
            CQ_OK);
  for (n = 0; rows.next(rows.user, &row, &err) == CQ_ROW; n++)
    CHECK_INT(row[0].u.i, 30 + n);
  rows.close(rows.user);
  CHECK_INT(n, 3);
  CHECK_INT(it.reads, 1);
  dest->ops->close(dest);
}

static void test_writer_without_memory_says_so(void) {
  for (int n = 1; n < 400; n++) {
    cq_error err = {0, ""};
    cq_dest_def d;
    cq_dest_table *all[1] = {&table};
    int rc;

    if (begin(0)) return;
    table.wanted = 1;
    cq_fault_set(n);
    memset(&d, 0, sizeof d);
    rc = send(2, &err);
    if (rc == CQ_OK) rc = dest->ops->end(dest, &run, &unit, "ok", "x", &err);
    if (rc == CQ_OK) rc = dest->ops->drain(dest, &err);
    if (rc == CQ_OK) {
      cq_dest_event e;

      while (dest->ops->poll(dest, &e) == CQ_ROW)
        if (!e.warning) rc = e.why.code;
    }
    if (rc == CQ_OK)
      rc = dest->ops->publish(dest, &run, all, 1, "success", &table.n, NULL,
                              &err);
    if (!cq_fault_hit()) {
      cq_fault_set(0);
      CHECK_INT(rc, CQ_OK);
      CHECK_INT(it.rows, 2 * ROWS);
      dest->ops->close(dest);
      CHECK(n > 5);
      return;
    }
    cq_fault_set(0);
    /* It is told; unless it was the text of a warning, or the test's own. */
    if (rc != CQ_NOMEM) CHECK_INT(it.rows, sent);
    dest->ops->close(dest);
  }
  CHECK(!"the allocations never ended");
}

int main(void) {
  RUN(test_writer_rows_come_in_order_and_once);
  RUN(test_writer_warnings_are_told);
  RUN(test_writer_lost_entries_of_the_journal_are_told_once);
  RUN(test_writer_a_source_taken_over_ends_it);
  RUN(test_writer_signs_of_life_do_not_wait_behind_rows);
  RUN(test_writer_table_refused_later_is_told);
  RUN(test_writer_failed_write_fails_its_table_and_is_told_once);
  RUN(test_writer_failed_end_is_told);
  RUN(test_writer_slow_store_makes_its_only_caller_wait);
  RUN(test_writer_slow_store_makes_no_other_wait);
  RUN(test_writer_spool_is_used_again_before_it_is_empty);
  RUN(test_writer_jobs_that_wait_are_bounded_in_bytes);
  RUN(test_writer_interrupt_ends_what_hangs);
  RUN(test_writer_last_word_is_said_in_spite_of_an_interrupt);
  RUN(test_writer_interrupt_while_the_queue_is_full);
  RUN(test_writer_publish_that_fails_is_told);
  RUN(test_writer_open_that_fails_tells_no_secret);
  RUN(test_writer_states_are_asked_for_once_a_table);
  RUN(test_writer_keeps_rows_for_the_tables_below);
  RUN(test_writer_without_memory_says_so);
  return test_done();
}
