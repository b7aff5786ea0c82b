-- The run tables in ClickHouse, where rows are only added: raw_cq_<name> has
-- every state that there was, and the view cq_<name> the newest, with the
-- columns of runs.sql.  {s} is the database, {c} ON CLUSTER or nothing, {r}
-- and {m} the engines that replace a row by one of a greater version, and that
-- keep all.  Statements end in a line with a semicolon alone.

CREATE TABLE IF NOT EXISTS {s}.raw_cq_syncs {c} (
  sync_group_id Int64,
  source_name String,
  integration String,
  destination_name String,
  write_mode String,
  sync_group Nullable(String),
  kind String,
  status String,
  sync_time String,
  tables Int64,
  units Int64,
  units_done Int64,
  rows Int64,
  errors Int64,
  requests Int64,
  retries Int64,
  throttled_ms Int64,
  bytes Int64,
  started String,
  updated String,
  finished Nullable(String),
  message Nullable(String),
  owner String,
  unsettled UInt8,
  gone UInt8,
  version UInt64
) ENGINE = {r} ORDER BY (sync_group_id, source_name)
;
CREATE TABLE IF NOT EXISTS {s}.raw_cq_sync_tables {c} (
  sync_group_id Int64,
  source_name String,
  table_name String,
  status String,
  rows Int64,
  inserted Int64,
  updated Int64,
  deleted Int64,
  unchanged Int64,
  kept Int64,
  errors Int64,
  units Int64,
  units_done Int64,
  requests Int64,
  retries Int64,
  throttled_ms Int64,
  bytes Int64,
  started Nullable(String),
  finished Nullable(String),
  version UInt64
) ENGINE = {r} ORDER BY (sync_group_id, source_name, table_name)
;
CREATE TABLE IF NOT EXISTS {s}.raw_cq_sync_errors {c} (
  sync_group_id Int64,
  source_name String,
  table_name String,
  client_id String,
  kind String,
  message String,
  hint Nullable(String),
  at String,
  version UInt64
) ENGINE = {r} ORDER BY (sync_group_id, source_name, table_name, client_id, kind, message, at)
;
CREATE TABLE IF NOT EXISTS {s}.raw_cq_sync_units {c} (
  table_name String,
  source_name String,
  client_id String,
  sync_group_id Int64,
  status String,
  rows Int64,
  cursor String,
  started String,
  finished String,
  gone UInt8,
  version UInt64
) ENGINE = {r} ORDER BY (sync_group_id, source_name, table_name, client_id)
;
CREATE TABLE IF NOT EXISTS {s}.raw_cq_units {c} (
  table_name String,
  source_name String,
  client_id String,
  sync_group_id Int64,
  sync_time String,
  cursor String,
  rows Int64,
  gone UInt8,
  version UInt64
) ENGINE = {m} ORDER BY (table_name, source_name, client_id, version)
;
CREATE VIEW IF NOT EXISTS {s}.cq_syncs {c} AS SELECT
  sync_group_id, source_name, integration, destination_name, write_mode, sync_group, kind,
  if(unsettled IN (1, 3) AND status IN ('success', 'partial'), 'running', status) AS status,
  sync_time, tables, units, units_done, rows, errors, requests, retries, throttled_ms, bytes,
  started, updated, finished, message, owner, unsettled
FROM (SELECT * FROM {s}.raw_cq_syncs FINAL) WHERE gone = 0
;
CREATE VIEW IF NOT EXISTS {s}.cq_sync_tables {c} AS SELECT
  sync_group_id, source_name, table_name, status, rows, inserted, updated, deleted, unchanged, kept,
  errors, units, units_done, requests, retries, throttled_ms, bytes, started, finished
FROM {s}.raw_cq_sync_tables FINAL
;
CREATE VIEW IF NOT EXISTS {s}.cq_sync_errors {c} AS SELECT
  sync_group_id, source_name, table_name, client_id, kind, message, hint, at
FROM {s}.raw_cq_sync_errors FINAL
;
CREATE VIEW IF NOT EXISTS {s}.cq_sync_units {c} AS SELECT
  table_name, source_name, client_id, sync_group_id, status,
  (table_name, source_name, client_id, sync_group_id) IN (
    SELECT table_name, source_name, client_id, sync_group_id FROM {s}.raw_cq_units WHERE gone = 0
  ) AS published,
  rows, cursor, started, finished
FROM (SELECT * FROM {s}.raw_cq_sync_units FINAL) WHERE gone = 0
;
CREATE VIEW IF NOT EXISTS {s}.cq_units {c} AS SELECT
  table_name, source_name, client_id, sync_group_id, sync_time, cursor, rows
FROM (SELECT * FROM {s}.raw_cq_units ORDER BY version DESC LIMIT 1 BY table_name, source_name, client_id)
WHERE gone = 0
