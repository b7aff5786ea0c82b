-- env: ZOO_URL=@MOCK@
-- OR reads a table by several plans; each row comes once, and none is lost.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
SELECT keeper, id FROM zoo_animals WHERE keeper = 'bob' OR kind = 'snake' ORDER BY 1, 2;
SELECT keeper, id FROM zoo_animals WHERE kind = 'bird' OR keeper = 'bob' OR tag = 'c' ORDER BY 1, 2;
SELECT count(*) FROM zoo_animals WHERE id = 1 OR note = 'x';
EXPLAIN QUERY PLAN SELECT keeper, id FROM zoo_animals WHERE keeper = 'bob' OR kind = 'snake';
-- equal rows without a key are as many as there are
SELECT line, level FROM zoo_log WHERE line = 'a' OR level = 1;
SELECT count(*), count(DISTINCT rowid) FROM zoo_log;
-- a rowid is the same the next time
CREATE TEMP TABLE seen AS SELECT rowid AS r, keeper, id FROM zoo_animals;
SELECT count(*) FROM zoo_animals AS a JOIN seen AS s ON s.r = a.rowid AND s.keeper = a.keeper AND s.id = a.id;
