-- env: ZOO_URL=@MOCK@
-- A list ends where it ends.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
SELECT count(*), count(id), min(id) FROM zoo_animals;
SELECT count(*) FROM zoo_animals WHERE keeper = 'bob';
SELECT id FROM zoo_animals WHERE keeper = 'bob' AND kind = 'snake';
SELECT count(*) FROM zoo_food WHERE meal = 'none';
SELECT group_concat(id) FROM (SELECT id FROM zoo_animals WHERE keeper = 'ann');
