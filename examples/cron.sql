-- For cron: sqlite3 -bail inventory.db < examples/cron.sql
-- With `strict`, a sync that is not complete ends the script with a status that
-- cron reports.
.load ./build/cq
.bail on
SELECT cq_sync('examples/spec.yml', '{"strict": true, "progress": "off"}') ->> 'status' AS status;
SELECT count(*) AS people FROM file_csv;
