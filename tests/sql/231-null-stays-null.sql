-- env: ZOO_URL=@MOCK@
-- A missing member and JSON null are NULL; an empty text, a 0 are none.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
SELECT id, note, weight, born, extra FROM zoo_animals WHERE keeper = 'ann' AND id <= 5;
SELECT id FROM zoo_animals WHERE note IS NULL;
SELECT id FROM zoo_animals WHERE note = '';
SELECT count(*), count(note), count(weight), count(born), count(extra) FROM zoo_animals;
SELECT typeof(extra), typeof(weight), typeof(born) FROM zoo_animals WHERE keeper = 'ann' AND id = 5;
SELECT id FROM zoo_animals WHERE weight IS NOT 15 AND keeper = 'ann' AND kind = 'mammal';
-- nothing equals NULL, and nothing is asked to find that out
SELECT cq_config('zoo.token', NULL);
CREATE TEMP TABLE before AS SELECT count(*) AS n FROM cq_requests;
SELECT id FROM zoo_animals WHERE kind = NULL;
SELECT count(*) - (SELECT n FROM before) FROM cq_requests;
