-- env: ZOO_URL=@MOCK@
-- timeout: 20
-- Closing a cursor cancels what it fetches ahead: the second page never comes.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
SELECT id FROM zoo_animals WHERE keeper = 'ann' AND +id > 1 LIMIT 1;
SELECT (SELECT id FROM zoo_animals WHERE keeper = 'ann' AND +id > 2);
SELECT 'done';
