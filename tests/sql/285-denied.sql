-- env: FLEET_URL=@MOCK@
-- What may not be read is missing, and an answer without it does not look whole.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/fleet.yml');
-- the rows that can be had, then the error
SELECT port, id FROM fleet_manifests;
SELECT count(*) FROM fleet_manifests;
-- one port answers, and is whole
SELECT port, id FROM fleet_manifests WHERE port = 'oslo';
-- a column that may not be read is no NULL
SELECT id, seal FROM fleet_manifests WHERE port = 'oslo';
-- nothing is missing of what LIMIT wants
SELECT port, id FROM fleet_manifests LIMIT 2;
-- asked for what there is
SELECT cq_config('denied', 'ignore');
SELECT cq_config('denied', 'skip');
SELECT port, id, seal FROM fleet_manifests;
SELECT path, status FROM cq_requests WHERE status = 403 GROUP BY path;
