-- A first session: no account needed.
--   sqlite3 < examples/session.sql
.load ./build/cq
.mode box
SELECT record ->> 'name' AS name, record ->> 'born' AS born
FROM file_csv('examples/data/people.csv')
WHERE record ->> 'born' > '1900';
-- Two files of different kinds join like tables.
SELECT c.record ->> 'name' AS name, n.record ->> 'city' AS city
FROM file_csv('examples/data/people.csv') AS c
JOIN file_ndjson('examples/data/people.ndjson') AS n ON n.record ->> 'name' = c.record ->> 'name'
ORDER BY 1;
-- What was read.
SELECT method, status, bytes, error FROM cq_requests;
-- What else there is.
SELECT integration, count(*) AS tables FROM cq_tables GROUP BY 1;
