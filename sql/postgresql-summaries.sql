-- CloudQuery's summary of each sync, one row per source and destination; made
-- where a destination asks for it (send_sync_summary).
CREATE TABLE IF NOT EXISTS {s}.cloudquery_sync_summaries (
  _cq_sync_time timestamp with time zone NOT NULL,
  _cq_sync_group_id text,
  cli_version text,
  sync_id text,
  sync_duration_ms bigint,
  resources bigint,
  source_name text,
  source_path text,
  source_version text,
  source_errors bigint,
  source_warnings bigint,
  source_tables jsonb,
  destination_name text,
  destination_path text,
  destination_version text,
  destination_errors bigint,
  destination_warnings bigint,
  shard_num bigint,
  shard_total bigint,
  resources_per_table jsonb,
  errors_per_table jsonb,
  durations_per_table_ms jsonb
);
