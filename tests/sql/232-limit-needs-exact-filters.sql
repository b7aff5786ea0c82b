-- env: ZOO_URL=@MOCK@
-- LIMIT must not stop a fetch before a filter of SQL has seen the rows.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
SELECT id FROM zoo_animals WHERE keeper = 'ann' AND note = 'y' LIMIT 2;
SELECT id FROM zoo_animals WHERE keeper = 'ann' AND weight > 11 AND weight < 16 LIMIT 1;
SELECT id FROM zoo_animals WHERE note = 'z' LIMIT 1;
SELECT keeper, id FROM zoo_animals ORDER BY weight DESC LIMIT 1;
SELECT keeper, id FROM zoo_animals LIMIT 2 OFFSET 6;
SELECT keeper, id FROM zoo_animals LIMIT -1 OFFSET 7;
SELECT id FROM zoo_animals WHERE keeper = 'bob' LIMIT 5;
SELECT count(*) FROM (SELECT 1 FROM zoo_animals WHERE kind = 'mammal' LIMIT 4);
SELECT DISTINCT kind FROM zoo_animals LIMIT 2;
SELECT id FROM zoo_animals WHERE name = 'dog' COLLATE NOCASE AND kind = 'mammal' LIMIT 1;
SELECT EXISTS (SELECT 1 FROM zoo_animals WHERE note = 'z');
-- where it may stop, it does: one page of three
SELECT cq_config('cache_ttl', 0);
CREATE TEMP TABLE before AS SELECT max(id) AS id FROM cq_requests;
SELECT id FROM zoo_animals WHERE keeper = 'ann' AND kind = 'mammal' LIMIT 3;
SELECT count(*) FROM cq_requests WHERE id > (SELECT id FROM before);
EXPLAIN QUERY PLAN SELECT id FROM zoo_animals WHERE keeper = 'ann' AND kind = 'mammal' LIMIT 3;
EXPLAIN QUERY PLAN SELECT id FROM zoo_animals WHERE keeper = 'ann' AND note = 'y' LIMIT 3;
EXPLAIN QUERY PLAN SELECT id FROM zoo_animals WHERE keeper = 'ann' ORDER BY id LIMIT 3;
