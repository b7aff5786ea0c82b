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
-- a comment is no statement
SELECT json_array_length(cq_explain('SELECT line FROM zoo_log; -- that is all' || char(10) || ' ; /* it is */'));
SELECT cq_explain('SELECT line FROM zoo_log; -- more' || char(10) || 'SELECT 2');
-- what CAST makes of a constant is not read off the program
SELECT value ->> 'requests', value ->> 'unknown' FROM json_each(cq_explain('SELECT id FROM zoo_animals WHERE keeper = CAST(''bob'' AS TEXT) AND kind = CAST(5 AS TEXT)'));
SELECT value ->> 'requests', value ->> 'unknown' FROM json_each(cq_explain('SELECT id FROM zoo_animals WHERE kind IN (' || (WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT 500) SELECT group_concat('''k' || i || '''') FROM n) || ')'));
-- a trigger is a program of its own, with cursors and registers of its own
CREATE TABLE mine(a, b);
CREATE TEMP TRIGGER fed AFTER INSERT ON mine BEGIN
  SELECT count(*) FROM zoo_food WHERE meal = new.a;
  SELECT count(*) FROM zoo_log l JOIN zoo_food f ON f.meal = l.line;
END;
SELECT value ->> 'table', value ->> 'requests', value ->> 'runs', value ->> 'plan', value ->> 'unknown' FROM json_each(cq_explain('INSERT INTO mine SELECT ''noon'', v.guests FROM zoo_visits v WHERE v.keeper = ''bob'' AND v.animal = 1'));
SELECT count(*) FROM cq_requests;
-- nothing is done
PRAGMA foreign_keys;
SELECT cq_explain('/* mine */ pragma foreign_keys = ON');
SELECT cq_explain(char(0xfeff) || 'pragma foreign_keys = ON');
PRAGMA foreign_keys;
