-- The run tables, as in runs.sql, in a schema {s} of DuckDB: without keys,
-- since a key cannot be deleted and inserted in one transaction there.
--
-- cq_units is the state: which run's rows of a unit are the current ones, and
-- where its next run begins.  The others are a journal that may be read while
-- a run goes on.

CREATE TABLE IF NOT EXISTS {s}.cq_syncs (
  sync_group_id BIGINT NOT NULL,
  source_name VARCHAR NOT NULL,
  integration VARCHAR NOT NULL,
  destination_name VARCHAR NOT NULL,
  write_mode VARCHAR NOT NULL,
  sync_group VARCHAR,  -- the spec's own sync_group_id, rendered
  kind VARCHAR NOT NULL,  -- full, retry
  status VARCHAR NOT NULL,  -- running, success, partial, failed, interrupted
  sync_time TIMESTAMP NOT NULL,
  tables BIGINT NOT NULL DEFAULT 0,
  units BIGINT NOT NULL DEFAULT 0,
  units_done BIGINT NOT NULL DEFAULT 0,
  rows BIGINT NOT NULL DEFAULT 0,
  errors BIGINT NOT NULL DEFAULT 0,
  requests BIGINT NOT NULL DEFAULT 0,
  retries BIGINT NOT NULL DEFAULT 0,
  throttled_ms BIGINT NOT NULL DEFAULT 0,
  bytes BIGINT NOT NULL DEFAULT 0,
  started TIMESTAMP NOT NULL,
  updated TIMESTAMP NOT NULL,  -- a sign of life, at least every few seconds
  finished TIMESTAMP,
  message VARCHAR,
  owner VARCHAR NOT NULL,  -- host@boot/PID namespace:process:connection
  unsettled INTEGER NOT NULL,  -- 1 until its rows are published or removed
  PRIMARY KEY (sync_group_id, source_name)
);

CREATE TABLE IF NOT EXISTS {s}.cq_sync_tables (
  sync_group_id BIGINT NOT NULL,
  source_name VARCHAR NOT NULL,
  table_name VARCHAR NOT NULL,
  status VARCHAR NOT NULL,  -- waiting, running, success, partial, failed, skipped, interrupted
  rows BIGINT NOT NULL DEFAULT 0,
  inserted BIGINT NOT NULL DEFAULT 0,
  updated BIGINT NOT NULL DEFAULT 0,
  deleted BIGINT NOT NULL DEFAULT 0,
  unchanged BIGINT NOT NULL DEFAULT 0,
  kept BIGINT NOT NULL DEFAULT 0,  -- rows of earlier runs that failed units keep
  errors BIGINT NOT NULL DEFAULT 0,
  units BIGINT NOT NULL DEFAULT 0,
  units_done BIGINT NOT NULL DEFAULT 0,
  requests BIGINT NOT NULL DEFAULT 0,
  retries BIGINT NOT NULL DEFAULT 0,
  throttled_ms BIGINT NOT NULL DEFAULT 0,
  bytes BIGINT NOT NULL DEFAULT 0,
  started TIMESTAMP,
  finished TIMESTAMP
);

CREATE TABLE IF NOT EXISTS {s}.cq_sync_errors (
  sync_group_id BIGINT NOT NULL,
  source_name VARCHAR NOT NULL,
  table_name VARCHAR NOT NULL,
  client_id VARCHAR NOT NULL,
  kind VARCHAR NOT NULL,  -- failed, denied, skipped, warning, destination
  message VARCHAR NOT NULL,
  hint VARCHAR,  -- what to do
  "at" TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS {s}.cq_sync_units (
  table_name VARCHAR NOT NULL,
  source_name VARCHAR NOT NULL,
  client_id VARCHAR NOT NULL,
  sync_group_id BIGINT NOT NULL,
  status VARCHAR NOT NULL,  -- ok, failed, skipped
  published INTEGER NOT NULL,
  rows BIGINT NOT NULL,
  cursor VARCHAR NOT NULL,
  started TIMESTAMP NOT NULL,
  finished TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS {s}.cq_units (
  table_name VARCHAR NOT NULL,
  source_name VARCHAR NOT NULL,
  client_id VARCHAR NOT NULL,
  sync_group_id BIGINT NOT NULL,  -- the run whose rows are current
  sync_time TIMESTAMP NOT NULL,
  cursor VARCHAR NOT NULL,  -- '' where the table is not incremental
  rows BIGINT NOT NULL
);
