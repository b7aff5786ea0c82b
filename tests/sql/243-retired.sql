-- A live table that is retired has no rows, and says why where SQLite's log goes.
.load @BUILD@/cq
SELECT cq_load('@ROOT@/tests/sql/fixtures/old.yml') AS tables;
.log stdout
SELECT count(*) AS n FROM old_things;
SELECT a.id FROM old_things AS a LEFT JOIN (SELECT 1 AS id UNION ALL SELECT 2) AS b ON b.id = a.id;
SELECT name, retired FROM cq_tables WHERE retired IS NOT NULL AND integration = 'old';
