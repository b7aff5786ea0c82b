-- CloudQuery's summary of each sync, one row per source and destination; made
-- where a destination asks for it (send_sync_summary).
CREATE TABLE IF NOT EXISTS {s}.cloudquery_sync_summaries (
  _cq_sync_time TEXT NOT NULL,
  _cq_sync_group_id TEXT,
  cli_version TEXT,
  sync_id TEXT,
  sync_duration_ms INTEGER,
  resources INTEGER,
  source_name TEXT,
  source_path TEXT,
  source_version TEXT,
  source_errors INTEGER,
  source_warnings INTEGER,
  source_tables TEXT,
  destination_name TEXT,
  destination_path TEXT,
  destination_version TEXT,
  destination_errors INTEGER,
  destination_warnings INTEGER,
  shard_num INTEGER,
  shard_total INTEGER,
  resources_per_table TEXT,
  errors_per_table TEXT,
  durations_per_table_ms TEXT
) STRICT;
