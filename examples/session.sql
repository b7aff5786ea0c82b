-- A first session: no account needed.
--   sqlite3 < examples/session.sql
.load ./build/cq
.mode box
SELECT record ->> 'name' AS name, record ->> 'born' AS born
FROM file_csv('examples/data/people.csv')
WHERE record ->> 'born' > '1900';
