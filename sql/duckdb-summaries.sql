-- CloudQuery's summary of each sync, one row per source and destination; made
-- where a destination asks for it (send_sync_summary).
CREATE TABLE IF NOT EXISTS {s}.cloudquery_sync_summaries (
  _cq_sync_time TIMESTAMP NOT NULL,
  _cq_sync_group_id VARCHAR,
  cli_version VARCHAR,
  sync_id VARCHAR,
  sync_duration_ms BIGINT,
  resources BIGINT,
  source_name VARCHAR,
  source_path VARCHAR,
  source_version VARCHAR,
  source_errors BIGINT,
  source_warnings BIGINT,
  source_tables JSON,
  destination_name VARCHAR,
  destination_path VARCHAR,
  destination_version VARCHAR,
  destination_errors BIGINT,
  destination_warnings BIGINT,
  shard_num BIGINT,
  shard_total BIGINT,
  resources_per_table JSON,
  errors_per_table JSON,
  durations_per_table_ms JSON
);
