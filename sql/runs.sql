-- The run tables: what syncs did, and which rows are current.  cq makes them in
-- each destination that is SQLite; {s} is the schema there.
--
-- cq_units is the state: which run's rows of a unit are the current ones, and
-- where its next run begins.  The others are a journal that may be read while
-- a run goes on.

CREATE TABLE IF NOT EXISTS {s}.cq_syncs (
  sync_group_id INTEGER NOT NULL,
  source_name TEXT NOT NULL,
  integration TEXT NOT NULL,
  destination_name TEXT NOT NULL,
  write_mode TEXT NOT NULL,
  sync_group TEXT,                 -- the spec's own sync_group_id, rendered
  kind TEXT NOT NULL,              -- full, retry
  status TEXT NOT NULL,            -- running, success, partial, failed, interrupted
  sync_time TEXT NOT NULL,
  tables INTEGER NOT NULL DEFAULT 0,
  units INTEGER NOT NULL DEFAULT 0,
  units_done INTEGER NOT NULL DEFAULT 0,
  rows INTEGER NOT NULL DEFAULT 0,
  errors INTEGER NOT NULL DEFAULT 0,
  requests INTEGER NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0,
  throttled_ms INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  started TEXT NOT NULL,
  updated TEXT NOT NULL,           -- a sign of life, at least every few seconds
  finished TEXT,
  message TEXT,
  owner TEXT NOT NULL,             -- host@boot/PID namespace:process:connection
  unsettled INTEGER NOT NULL,      -- 1 until its rows are published or removed
  PRIMARY KEY (sync_group_id, source_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS {s}.cq_sync_tables (
  sync_group_id INTEGER NOT NULL,
  source_name TEXT NOT NULL,
  table_name TEXT NOT NULL,
  status TEXT NOT NULL,            -- waiting, running, success, partial, failed, skipped, interrupted
  rows INTEGER NOT NULL DEFAULT 0,
  inserted INTEGER NOT NULL DEFAULT 0,
  updated INTEGER NOT NULL DEFAULT 0,
  deleted INTEGER NOT NULL DEFAULT 0,
  unchanged INTEGER NOT NULL DEFAULT 0,
  kept INTEGER NOT NULL DEFAULT 0, -- rows of earlier runs that failed units keep
  errors INTEGER NOT NULL DEFAULT 0,
  units INTEGER NOT NULL DEFAULT 0,
  units_done INTEGER NOT NULL DEFAULT 0,
  requests INTEGER NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0,
  throttled_ms INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  started TEXT,
  finished TEXT,
  PRIMARY KEY (sync_group_id, source_name, table_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS {s}.cq_sync_errors (
  sync_group_id INTEGER NOT NULL,
  source_name TEXT NOT NULL,
  table_name TEXT NOT NULL,
  client_id TEXT NOT NULL,
  kind TEXT NOT NULL,              -- failed, denied, skipped, warning, destination
  message TEXT NOT NULL,
  hint TEXT,                       -- what to do
  at TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS {s}.cq_sync_units (
  table_name TEXT NOT NULL,
  source_name TEXT NOT NULL,
  client_id TEXT NOT NULL,
  sync_group_id INTEGER NOT NULL,
  status TEXT NOT NULL,            -- ok, failed, skipped
  published INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  cursor TEXT NOT NULL,
  started TEXT NOT NULL,
  finished TEXT NOT NULL,
  PRIMARY KEY (table_name, source_name, client_id, sync_group_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS {s}.cq_sync_units_group
  ON cq_sync_units (sync_group_id, source_name);

CREATE TABLE IF NOT EXISTS {s}.cq_units (
  table_name TEXT NOT NULL,
  source_name TEXT NOT NULL,
  client_id TEXT NOT NULL,
  sync_group_id INTEGER NOT NULL,  -- the run whose rows are current
  sync_time TEXT NOT NULL,
  cursor TEXT NOT NULL,            -- '' where the table is not incremental
  rows INTEGER NOT NULL,
  PRIMARY KEY (table_name, source_name, client_id)
) STRICT, WITHOUT ROWID;
