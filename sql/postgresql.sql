-- The run tables, as in runs.sql, in a schema {s} of PostgreSQL.
--
-- cq_units is the state: which run's rows of a unit are the current ones, and
-- where its next run begins.  The others are a journal that may be read while
-- a run goes on.

CREATE TABLE IF NOT EXISTS {s}.cq_syncs (
  sync_group_id bigint NOT NULL,
  source_name text NOT NULL,
  integration text NOT NULL,
  destination_name text NOT NULL,
  write_mode text NOT NULL,
  sync_group text,  -- the spec's own sync_group_id, rendered
  kind text NOT NULL,  -- full, retry
  status text NOT NULL,  -- running, success, partial, failed, interrupted
  sync_time timestamp with time zone NOT NULL,
  tables bigint NOT NULL DEFAULT 0,
  units bigint NOT NULL DEFAULT 0,
  units_done bigint NOT NULL DEFAULT 0,
  rows bigint NOT NULL DEFAULT 0,
  errors bigint NOT NULL DEFAULT 0,
  requests bigint NOT NULL DEFAULT 0,
  retries bigint NOT NULL DEFAULT 0,
  throttled_ms bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  started timestamp with time zone NOT NULL,
  updated timestamp with time zone NOT NULL,  -- a sign of life, at least every few seconds
  finished timestamp with time zone,
  message text,
  owner text NOT NULL,  -- host:process:backend/its start
  unsettled integer NOT NULL,  -- 1 until its rows are published or removed
  PRIMARY KEY (sync_group_id, source_name)
);

CREATE TABLE IF NOT EXISTS {s}.cq_sync_tables (
  sync_group_id bigint NOT NULL,
  source_name text NOT NULL,
  table_name text NOT NULL,
  status text NOT NULL,  -- waiting, running, success, partial, failed, skipped, interrupted
  rows bigint NOT NULL DEFAULT 0,
  inserted bigint NOT NULL DEFAULT 0,
  updated bigint NOT NULL DEFAULT 0,
  deleted bigint NOT NULL DEFAULT 0,
  unchanged bigint NOT NULL DEFAULT 0,
  kept bigint NOT NULL DEFAULT 0,  -- rows of earlier runs that failed units keep
  errors bigint NOT NULL DEFAULT 0,
  units bigint NOT NULL DEFAULT 0,
  units_done bigint NOT NULL DEFAULT 0,
  requests bigint NOT NULL DEFAULT 0,
  retries bigint NOT NULL DEFAULT 0,
  throttled_ms bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  started timestamp with time zone,
  finished timestamp with time zone,
  PRIMARY KEY (sync_group_id, source_name, table_name)
);

CREATE TABLE IF NOT EXISTS {s}.cq_sync_errors (
  sync_group_id bigint NOT NULL,
  source_name text NOT NULL,
  table_name text NOT NULL,
  client_id text NOT NULL,
  kind text NOT NULL,  -- failed, denied, skipped, warning, destination
  message text NOT NULL,
  hint text,  -- what to do
  at timestamp with time zone NOT NULL
);

CREATE TABLE IF NOT EXISTS {s}.cq_sync_units (
  table_name text NOT NULL,
  source_name text NOT NULL,
  client_id text NOT NULL,
  sync_group_id bigint NOT NULL,
  status text NOT NULL,  -- ok, failed, skipped
  published integer NOT NULL,
  rows bigint NOT NULL,
  cursor text NOT NULL,
  started timestamp with time zone NOT NULL,
  finished timestamp with time zone NOT NULL,
  PRIMARY KEY (table_name, source_name, client_id, sync_group_id)
);

CREATE INDEX IF NOT EXISTS cq_sync_units_group
  ON {s}.cq_sync_units (sync_group_id, source_name);

CREATE TABLE IF NOT EXISTS {s}.cq_units (
  table_name text NOT NULL,
  source_name text NOT NULL,
  client_id text NOT NULL,
  sync_group_id bigint NOT NULL,  -- the run whose rows are current
  sync_time timestamp with time zone NOT NULL,
  cursor text NOT NULL,  -- '' where the table is not incremental
  rows bigint NOT NULL,
  PRIMARY KEY (table_name, source_name, client_id)
);
