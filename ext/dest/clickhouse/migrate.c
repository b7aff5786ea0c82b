/* ext/dest/clickhouse/migrate.c: tables and views as a definition asks for them,
 * made, or changed from what is there.
 *
 *   raw_<t>  the rows of all runs, found by the run's number; _cq_row numbers
 *            them within their run
 *   <t>      a view.  A snapshot: the rows of each unit's run that cq_units
 *            points at (append, overwrite-delete-stale).  Newest: of each key,
 *            over all runs that were pointed at (overwrite; incremental tables)
 *
 * A new column is added; one that the definition no longer has stays, in the
 * view, too.  Another type loses or rewrites data: safe refuses and lists it,
 * forced copies the rows into a new table of the same name.  A view that is
 * cq's says so in its text, and in which mode: others are left alone. */
#include <string.h>

#include "dest/clickhouse/internal.h"

#define MARK "made by cq: "

typedef struct present { /* what is there under a name */
  int exists, view;
  char *sql; /* of a view */
  cq_dest_found has;
} present;

static void present_clear(present *p) {
  cq_dest_found_clear(&p->has);
  cq_free(p->sql);
  memset(p, 0, sizeof *p);
}

static const char *present_type(const present *p, const char *name) {
  return cq_dest_found_type(&p->has, name, 0);
}

typedef struct presents {
  const char *names[2];
  present *p[2];
} presents;

/* Table, what it is (1) or a column (0), engine or name, SQL or type. */
static int on_present(void *user, char **cell, int n) {
  presents *s = user;

  if (n < 4 || !cell[0] || !cell[1] || !cell[2] || !cell[3]) return CQ_OK;
  for (int i = 0; i < 2; i++) {
    present *p = s->p[i];

    if (!s->names[i] || strcmp(s->names[i], cell[0]) != 0) continue;
    if (*cell[1] == '0') return cq_dest_found_add(&p->has, cell[2], cell[3]);
    p->exists = 1;
    p->view = strstr(cell[2], "View") != NULL;
    p->sql = cq_strdup(cell[3]);
    return p->sql ? CQ_OK : CQ_NOMEM;
  }
  return CQ_OK;
}

/* One or two (b may be NULL) by one request. */
static int present_read(ch *d, const char *a, present *pa, const char *b,
                        present *pb, cq_error *err) {
  presents s = {{a, b}, {pa, pb}};

  memset(pa, 0, sizeof *pa);
  if (b) memset(pb, 0, sizeof *pb);
  return ch_rows(
      d, on_present, &s, err,
      "SELECT t, k, a, b FROM (SELECT name AS t, toUInt8(1) AS k, engine AS a, "
      "create_table_query AS b, toUInt64(0) AS i FROM system.tables WHERE "
      "database = %Q AND name IN (%Q, %Q) UNION ALL SELECT table AS t, "
      "toUInt8(0) AS k, name AS a, type AS b, rowNumberInAllBlocks() AS i FROM "
      "system.columns WHERE database = %Q AND table IN (%Q, %Q)) ORDER BY i",
      d->o->database, a, b ? b : a, d->o->database, a, b ? b : a);
}

void ch_add_columns(cq_buf *b, const cq_dest_table *t, int64_t group) {
  for (int i = 0; i < cq_dest_width(t); i++) {
    const char *name = cq_dest_column(t, i);

    if (i) cq_buf_str(b, ", ");
    if (group && i == 2)
      cq_buf_printf(b, "toInt64(%lld)", (long long)group);
    else
      ch_add_name(b, name);
  }
}

static int run(ch *d, cq_buf *b, cq_error *err) {
  int rc = b->rc ? cq_error_nomem(err) : ch_exec_text(d, b->data, NULL, err);

  cq_buf_clear(b);
  return rc;
}

static void add_cluster(const ch *d, cq_buf *b) {
  if (d->o->cluster) ch_format(d, b, " ON CLUSTER %w", d->o->cluster);
}

/* ---- tables ------------------------------------------------------------------------ */

static int known(const cq_dest_table *t, const char *name) {
  for (int i = 0; i < cq_dest_width(t); i++)
    if (strcmp(cq_dest_column(t, i), name) == 0) return 1;
  return strcmp(name, "_cq_row") == 0;
}

static void add_settings(const ch *d, cq_buf *b, int ordered) {
  const char *comma = " SETTINGS ";

  if (ordered && ch_has(d, 2010)) {
    cq_buf_printf(b, "%sallow_nullable_key = 1", comma);
    comma = ", ";
  }
  /* A batch that is sent twice is known by its token. */
  if (ch_has(d, CH_HAS_TOKEN) && !d->o->cluster && !d->o->engine)
    cq_buf_printf(b, "%snon_replicated_deduplication_window = 100", comma);
}

int ch_ttl_check(const ch *d, cq_error *err) {
  if (ch_has(d, CH_HAS_TTL)) return CQ_OK;
  return cq_error_set(err, CQ_MISUSE,
                      "destination %s: ttl: ClickHouse %s has none\nhint: "
                      "19.11 or newer",
                      d->base.name, d->version_text);
}

static int create_table(ch *d, const cq_dest_table *t, const char *name,
                        const present *old, cq_error *err) {
  const char *partition = ch_rule_find(&d->o->partition, t);
  const char *order = ch_rule_find(&d->o->order, t);
  const char *ttl = ch_rule_find(&d->o->ttl, t);
  cq_buf b;
  int rc;

  rc = ttl ? ch_ttl_check(d, err) : CQ_OK;
  if (rc) return rc;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  ch_format(d, &b, "CREATE TABLE IF NOT EXISTS %t", name);
  add_cluster(d, &b);
  cq_buf_str(&b, " (\n");
  for (int i = 0; i < cq_dest_width(t); i++) {
    ch_format(d, &b, "  %w ", cq_dest_column(t, i));
    ch_type(d, t, i, &b);
    cq_buf_str(&b, ",\n");
  }
  for (size_t i = 0; old && i < old->has.n; i++)
    if (!known(t, old->has.names[i]))
      ch_format(d, &b, "  %w %s,\n", old->has.names[i], old->has.types[i]);
  cq_buf_str(&b, "  `_cq_row` UInt64\n) ENGINE = ");
  ch_engine(d, 0, &b);
  if (partition) cq_buf_printf(&b, " PARTITION BY %s", partition);
  cq_buf_printf(&b, " ORDER BY (%s)",
                order ? order
                      : "_cq_sync_group_id, _cq_source_name, _cq_client_id");
  if (ttl) cq_buf_printf(&b, " TTL toDateTime(_cq_sync_time) + %s", ttl);
  add_settings(d, &b, order != NULL);
  rc = run(d, &b, err);
  if (rc && (partition || order || ttl))
    cq_error_hint(err,
                  "of table %s: partition, order and ttl of the spec name its "
                  "columns",
                  name);
  return rc;
}

static int drop(ch *d, const char *name, cq_error *err) {
  cq_buf b;

  cq_buf_init(&b, 4096);
  ch_format(d, &b, "DROP TABLE IF EXISTS %t", name);
  add_cluster(d, &b);
  return run(d, &b, err);
}

/* a becomes b, c becomes a. */
static int rename_two(ch *d, const char *a, const char *b, const char *c,
                      cq_error *err) {
  cq_buf q;

  cq_buf_init(&q, 8192);
  ch_format(d, &q, "RENAME TABLE %t TO %t", a, b);
  if (c) ch_format(d, &q, ", %t TO %t", c, a);
  add_cluster(d, &q);
  return run(d, &q, err);
}

/* Are cells of this type what the column's would be, or do they lose nothing
 * beside it?  A table that an older server made goes on as it is. */
static int holds(const ch *d, const cq_dest_table *t, int i, const char *had) {
  cq_rowbinary c = ch_column(d, t, i);
  int text = strcmp(had, "String") == 0 ||
             strcmp(had, "Nullable(String)") == 0 ||
             strcmp(had, "LowCardinality(String)") == 0;
  cq_buf want;
  int same;

  cq_buf_init(&want, 256);
  ch_type(d, t, i, &want);
  same = !want.rc && strcmp(want.data, had) == 0;
  cq_buf_clear(&want);
  if (same) return 1;
  if (c.kind == CQ_RB_BOOL && !c.list && strcmp(had, "Nullable(UInt8)") == 0)
    return 1;
  return text && !c.list &&
         (c.kind == CQ_RB_STRING || c.kind == CQ_RB_DATETIME64 ||
          c.kind == CQ_RB_DATE32 || c.kind == CQ_RB_DECIMAL);
}

static int rebuild(ch *d, cq_dest_table *t, const char *raw, const present *old,
                   cq_error *err) {
  char *fresh = cq_mprintf("cq_new_%s", raw),
       *aside = cq_mprintf("cq_old_%s", raw);
  int rc = fresh && aside ? CQ_OK : cq_error_nomem(err);

  if (rc == CQ_OK) rc = drop(d, fresh, err);
  if (rc == CQ_OK) rc = drop(d, aside, err);
  if (rc == CQ_OK) rc = create_table(d, t, fresh, old, err);
  if (rc == CQ_OK) rc = ch_retype(d, t, raw, fresh, &old->has, err);
  if (rc == CQ_OK) rc = rename_two(d, raw, aside, fresh, err);
  if (rc == CQ_OK) rc = drop(d, aside, err);
  cq_free(fresh);
  cq_free(aside);
  return rc;
}

/* Brings an existing table to the definition: CQ_ROW where it must be rebuilt. */
static int alter(ch *d, const cq_dest_table *t, const char *raw,
                 const present *old, int dry, cq_buf *actions, int *added,
                 cq_error *err) {
  cq_buf facts, b;
  int rc = CQ_OK, clash = 0;

  cq_buf_init(&facts, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  *added = 0;
  ch_format(d, &b, "ALTER TABLE %t", raw);
  add_cluster(d, &b);
  for (int i = 0; i < cq_dest_width(t) && rc == CQ_OK; i++) {
    const char *name = cq_dest_column(t, i), *had = present_type(old, name);
    cq_buf type;

    if (had && holds(d, t, i, had)) continue;
    cq_buf_init(&type, 256);
    ch_type(d, t, i, &type);
    if (type.rc) {
      rc = cq_error_nomem(err);
    } else if (had) {
      cq_buf_printf(&facts, "%scolumn %s is %s and would be %s",
                    clash++ ? "; " : "", name, had, type.data);
    } else {
      rc = cq_dest_note(actions, err, "table %s: add column %s %s", raw, name,
                        type.data);
      ch_format(d, &b, "%s ADD COLUMN %s%w %s", (*added)++ ? "," : "",
                ch_has(d, CH_HAS_IF_NOT_EXISTS) ? "IF NOT EXISTS " : "", name,
                type.data);
    }
    cq_buf_clear(&type);
  }
  if (rc == CQ_OK && clash && !d->def.forced) {
    rc = cq_error_set(err, CQ_MISUSE, "destination %s: table %s: %.600s",
                      d->base.name, raw, facts.data ? facts.data : "");
    cq_error_hint(err, "migrate_mode: forced changes it");
  } else if (rc == CQ_OK && clash) {
    rc = cq_dest_note(actions, err, "table %s: %.800s", raw,
                      facts.data ? facts.data : "");
    if (rc == CQ_OK) rc = CQ_ROW;
  } else if (rc == CQ_OK && *added && !dry) {
    rc = run(d, &b, err);
  }
  cq_buf_clear(&facts);
  cq_buf_clear(&b);
  return rc;
}

/* ---- views -----------------------------------------------------------------------------
 * A reader of <t> needs both raw_cq_units and raw_<t>, each as it is at some
 * moment: where rows are looked at first, a run that is published in between is
 * pointed at and not there.  A server with the analyzer of 24.3 looks at a
 * statement's tables in the order in which they stand, rows first, but into a
 * view only when the statement that reads it is planned: so there rows stand
 * behind a view of their own, cq_rows_<t>, and are looked at last. */

static const char *mode_mark(const ch *d, const cq_dest_table *t) {
  if (d->base.mode == CQ_MODE_APPEND)
    return t->incremental ? MARK "append newest" : MARK "append";
  if (d->base.mode == CQ_MODE_OVERWRITE || t->incremental)
    return d->def.group_in_key ? MARK "overwrite each"
                               : MARK "overwrite newest";
  return MARK "overwrite";
}

static void add_shown(const ch *d, const cq_dest_table *t, const present *have,
                      cq_buf *b) {
  ch_format(d, b, " AS SELECT ");
  ch_add_columns(b, t, 0);
  for (size_t i = 0; i < have->has.n; i++)
    if (!known(t, have->has.names[i]))
      ch_format(d, b, ", %w", have->has.names[i]);
}

static void add_view(const ch *d, const cq_dest_table *t, const char *name,
                     const char *from, const present *have, cq_buf *b) {
  const char *mark = mode_mark(d, t);

  add_shown(d, t, have, b);
  ch_format(d, b,
            " FROM %t WHERE (_cq_source_name, _cq_client_id, "
            "_cq_sync_group_id) IN (SELECT source_name, client_id, ",
            from);
  if (strcmp(mark, MARK "append") == 0 || strcmp(mark, MARK "overwrite") == 0)
    ch_format(d, b,
              "argMax(sync_group_id, version) FROM %t WHERE table_name = %Q "
              "GROUP BY source_name, client_id HAVING argMax(gone, version) = "
              "0) AND notEmpty(%Q)",
              "raw_cq_units", name, mark);
  else
    ch_format(d, b,
              "sync_group_id FROM %t WHERE table_name = %Q AND gone = 0) AND "
              "notEmpty(%Q) ORDER BY _cq_sync_group_id DESC, _cq_row DESC "
              "LIMIT 1 BY %s_cq_id%s",
              "raw_cq_units", name, mark,
              d->base.mode == CQ_MODE_APPEND ? "_cq_source_name, " : "",
              d->def.group_in_key ? ", _cq_sync_group_id" : "");
}

#define ROWS "cq_rows_"

static int make_rows_view(ch *d, const cq_dest_table *t, const char *name,
                          const char *raw, const present *have, cq_error *err) {
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  ch_format(d, &b, "CREATE OR REPLACE VIEW %t", name);
  add_cluster(d, &b);
  add_shown(d, t, have, &b);
  ch_format(d, &b, ", _cq_row FROM %t", raw);
  return run(d, &b, err);
}

/* Readers see the old one or the new one. */
static int make_view(ch *d, const cq_dest_table *t, const char *raw,
                     const present *have, int exists, cq_error *err) {
  const char *name = t->def->name;
  int replace = exists && ch_has(d, CH_HAS_REPLACE_VIEW);
  char *rows = ch_has(d, CH_HAS_ORDER) ? cq_mprintf(ROWS "%s", name) : NULL;
  char *fresh = cq_mprintf("cq_new_%s", name),
       *aside = cq_mprintf("cq_old_%s", name);
  int rc = fresh && aside ? CQ_OK : cq_error_nomem(err),
      swap = exists && !replace;
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  if (rc == CQ_OK && ch_has(d, CH_HAS_ORDER))
    rc =
        rows ? make_rows_view(d, t, rows, raw, have, err) : cq_error_nomem(err);
  if (rc == CQ_OK && swap) rc = drop(d, fresh, err);
  if (rc == CQ_OK && swap) rc = drop(d, aside, err);
  if (rc == CQ_OK) {
    ch_format(d, &b, replace ? "CREATE OR REPLACE VIEW %t" : "CREATE VIEW %t",
              swap ? fresh : name);
    add_cluster(d, &b);
    add_view(d, t, name, rows ? rows : raw, have, &b);
    rc = run(d, &b, err);
  }
  if (rc == CQ_OK && swap) rc = rename_two(d, name, aside, fresh, err);
  if (rc == CQ_OK && swap) rc = drop(d, aside, err);
  cq_buf_clear(&b);
  cq_free(rows);
  cq_free(fresh);
  cq_free(aside);
  return rc;
}

static int foreign(cq_error *err, const ch *d, const char *name,
                   const char *what) {
  return cq_error_set(err, CQ_MISUSE,
                      "destination %s: %s: a %s of that name exists and was "
                      "not made by cq\nhint: rename it, or sync into another "
                      "database",
                      d->base.name, name, what);
}

/* What the view is now: CQ_OK where it may be made anew. */
static int check_view(const ch *d, const cq_dest_table *t, const present *v,
                      cq_error *err) {
  const char *mark = v->exists && v->view ? strstr(v->sql, MARK) : NULL;
  int append;

  if (!v->exists) return CQ_OK;
  if (!mark) return foreign(err, d, t->def->name, v->view ? "view" : "table");
  append = strncmp(mark, MARK "append", sizeof MARK + 5) == 0;
  if (append == (d->base.mode == CQ_MODE_APPEND) || d->def.forced) return CQ_OK;
  return cq_dest_other_mode(&d->base, t->def->name, append, err);
}

static int view_shows(const ch *d, const cq_dest_table *t, const present *v,
                      const present *have) {
  const char *mark = mode_mark(d, t), *at = strstr(v->sql, mark);

  if (!at || at[strlen(mark)] == ' ') return 0;
  if (ch_has(d, CH_HAS_ORDER) && !strstr(v->sql, ROWS)) return 0;
  for (size_t i = 0; i < have->has.n; i++) {
    const char *type = present_type(v, have->has.names[i]);

    if (strcmp(have->has.names[i], "_cq_row") == 0) continue;
    if (!type || strcmp(type, have->has.types[i]) != 0) return 0;
  }
  return 1;
}

/* ---- all --------------------------------------------------------------------------------- */

/* A rebuilding that was cut off between its two names. */
static int restore(ch *d, const char *raw, cq_error *err) {
  char *aside = cq_mprintf("cq_old_%s", raw);
  present p;
  int rc;

  if (!aside) return cq_error_nomem(err);
  memset(&p, 0, sizeof p);
  rc = present_read(d, aside, &p, NULL, NULL, err);
  if (rc == CQ_OK && p.exists) rc = rename_two(d, aside, raw, NULL, err);
  present_clear(&p);
  cq_free(aside);
  return rc;
}

int ch_migrate(cq_dest *base, cq_dest_table *t, int dry, cq_buf *actions,
               cq_error *err) {
  ch *d = ch_of(base);
  const char *name = t->def->name;
  char *raw = cq_mprintf("raw_%s", name);
  present view, old;
  int rc, changed = 0, added = 0;

  *t->lost = 0;
  memset(&view, 0, sizeof view);
  memset(&old, 0, sizeof old);
  if (!raw) return cq_error_nomem(err);
  rc = present_read(d, name, &view, raw, &old, err);
  if (rc == CQ_OK) rc = check_view(d, t, &view, err);
  if (rc == CQ_OK && !old.exists && view.exists && !dry) {
    rc = restore(d, raw, err);
    present_clear(&old);
    if (rc == CQ_OK) rc = present_read(d, raw, &old, NULL, NULL, err);
  }
  if (rc) goto done;
  if (old.exists && (old.view || !present_type(&old, "_cq_row") ||
                     !present_type(&old, "_cq_id"))) {
    rc = foreign(err, d, raw, old.view ? "view" : "table");
    goto done;
  }
  if (!old.exists) {
    rc = cq_dest_note(actions, err, "create table %s", raw);
    if (rc == CQ_OK && !dry) rc = create_table(d, t, raw, NULL, err);
    changed = 1;
  } else {
    rc = alter(d, t, raw, &old, dry, actions, &added, err);
    changed = added > 0;
    if (rc == CQ_ROW) {
      rc = cq_dest_note(actions, err, "rebuild table %s", raw);
      if (rc == CQ_OK && !dry) rc = rebuild(d, t, raw, &old, err);
      changed = 1;
    }
  }
  if (rc == CQ_OK && changed && !dry) {
    present_clear(&old);
    rc = present_read(d, raw, &old, NULL, NULL, err);
  }
  if (rc == CQ_OK &&
      (!view.exists || changed || !view_shows(d, t, &view, &old))) {
    rc = cq_dest_note(actions, err, "create view %s", name);
    if (rc == CQ_OK && !dry) rc = make_view(d, t, raw, &old, view.exists, err);
  }
done:
  present_clear(&view);
  present_clear(&old);
  cq_free(raw);
  return rc;
}
