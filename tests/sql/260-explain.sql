-- env: ZOO_URL=@MOCK@
-- cq_explain tells the requests before any is made.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
.mode list
SELECT value ->> 'purpose', value ->> 'url', value ->> 'requests', value ->> 'repeats', value ->> 'runs' FROM json_each(cq_explain('SELECT id FROM zoo_animals WHERE keeper = ''bob'' AND kind IN (''bird'', ''snake'')'));
SELECT value ->> 'table', value ->> 'purpose', value ->> 'requests', value ->> 'repeats' FROM json_each(cq_explain('SELECT chip FROM zoo_animals'));
SELECT value ->> 'table', value ->> 'purpose', value ->> 'requests', value ->> 'runs', value ->> 'unknown' FROM json_each(cq_explain('SELECT v.guests FROM zoo_animals a JOIN zoo_visits v ON v.keeper = a.keeper AND v.animal = a.id WHERE a.kind = ''bird'''));
SELECT cq_explain('SELECT 1');
SELECT count(*) FROM cq_requests;
SELECT cq_explain('SELECT id FROM zoo_food');
SELECT cq_explain('SELECT no_such_column');
SELECT cq_explain('SELECT 1; SELECT 2');
SELECT cq_explain('EXPLAIN SELECT 1');
SELECT cq_explain(NULL);
