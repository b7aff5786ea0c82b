-- env: ZOO_URL=@MOCK@
-- What SQL calls equal decides what the API may be asked: collations, affinities, prefixes.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
SELECT id FROM zoo_animals WHERE kind = 'MAMMAL' COLLATE NOCASE AND weight BETWEEN 100 AND 300;
SELECT id FROM zoo_animals WHERE name LIKE 'f%';
SELECT id FROM zoo_animals WHERE name GLOB 'F*';
SELECT id FROM zoo_animals WHERE keeper = 'ann' AND id = '3';
SELECT id FROM zoo_animals WHERE keeper = 'ann' AND weight = '20';
SELECT count(*) FROM zoo_animals WHERE kind = 5;
SELECT count(*) FROM zoo_animals WHERE kind = x'6d';
SELECT id FROM zoo_animals WHERE kind IS 'snake';
SELECT id FROM zoo_animals WHERE kind || '' = 'snake';
SELECT a.id FROM (SELECT 'snake' AS k) AS s JOIN zoo_animals AS a ON a.kind = s.k;
SELECT _cq_client_id, count(*) FROM zoo_animals GROUP BY 1;
SELECT id FROM zoo_animals WHERE _cq_client_id = 'bob';
SELECT max(name), min(name) FROM zoo_animals;
SELECT json_extract(extra, '$.k[1]') FROM zoo_animals WHERE id = 1 AND keeper = 'ann';
SELECT json_object('e', extra), json_object('e', json(extra)) FROM zoo_animals WHERE id = 1 AND keeper = 'ann';
EXPLAIN QUERY PLAN SELECT id FROM zoo_animals WHERE kind = 'MAMMAL' COLLATE NOCASE;
EXPLAIN QUERY PLAN SELECT id FROM zoo_animals WHERE kind = 5;
EXPLAIN QUERY PLAN SELECT id FROM zoo_animals WHERE name LIKE '1f%';
