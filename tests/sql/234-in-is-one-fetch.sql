-- env: ZOO_URL=@MOCK@
-- IN is one fetch where the API takes a list.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
SELECT keeper, id, tag FROM zoo_animals WHERE tag IN ('b', 'a') AND keeper = 'bob';
SELECT count(*) FROM cq_requests;
SELECT keeper, id, tag FROM zoo_animals WHERE tag IN (SELECT value FROM json_each('["a","b"]')) AND keeper = 'bob';
SELECT count(*) FROM cq_requests;
SELECT id, tag FROM zoo_animals WHERE (tag = 'a' OR tag = 'b') AND keeper = 'bob';
SELECT id, tag FROM zoo_animals WHERE tag = 'c' AND keeper = 'ann';
SELECT count(*) FROM cq_requests;
SELECT count(*) FROM zoo_animals WHERE tag IN ();
SELECT count(*) FROM zoo_animals WHERE tag IN (NULL);
SELECT count(*) FROM cq_requests;
-- clients: only those that are named
SELECT keeper, count(*) FROM zoo_animals WHERE keeper IN ('bob', 'nobody', NULL) GROUP BY 1;
SELECT count(*) FROM cq_requests;
-- one value at a time where the API takes only one
SELECT keeper, id, kind FROM zoo_animals WHERE kind IN ('bird', 'snake', 'bird') ORDER BY 1, 2;
SELECT count(*) FROM cq_requests;
-- an equality beside a list does not give rows twice
SELECT id FROM zoo_animals WHERE kind = 'snake' AND kind IN ('snake', 'bird');
EXPLAIN QUERY PLAN SELECT * FROM zoo_animals WHERE tag IN ('a', 'b');
