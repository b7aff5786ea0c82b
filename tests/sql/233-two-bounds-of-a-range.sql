-- env: ZOO_URL=@MOCK@
-- Both ends of a range are asked for: the server refuses half of one.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
SELECT keeper, id, weight FROM zoo_animals WHERE weight >= 10 AND weight < 20;
SELECT keeper, id, weight FROM zoo_animals WHERE weight BETWEEN 10 AND 20;
SELECT keeper, id FROM zoo_animals WHERE weight > 10 AND weight <= 20 AND kind = 'mammal' AND id > 3;
-- times: the ends are moved to whole seconds, since text orders fractions otherwise
SELECT id, born FROM zoo_animals WHERE keeper = 'ann' AND born > '2020-01-01T00:00:00.2Z';
SELECT id FROM zoo_animals WHERE keeper = 'ann' AND born >= '2020-01-01' AND born < '2021';
SELECT id FROM zoo_animals WHERE keeper = 'ann' AND born > '2019-03-01 00:00:00' AND born < '2020-01-01T00:00:00Z';
EXPLAIN QUERY PLAN SELECT id FROM zoo_animals WHERE weight >= 10 AND weight < 20;
