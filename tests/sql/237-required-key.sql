-- env: ZOO_URL=@MOCK@
-- A key that the API needs is asked for before anything is fetched.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
SELECT id FROM zoo_food;
SELECT id FROM zoo_food WHERE meal > 'a';
SELECT meal, id FROM zoo_food WHERE meal = 'noon';
SELECT meal, id FROM zoo_food WHERE meal IN ('noon', 'dusk') ORDER BY 2;
CREATE TEMP TABLE meals(meal TEXT); INSERT INTO meals VALUES ('dusk'), (NULL), ('noon');
-- a join gives it, whichever way it is written
SELECT f.id FROM meals AS m JOIN zoo_food AS f ON f.meal = m.meal ORDER BY 1;
SELECT f.id FROM zoo_food AS f JOIN meals AS m ON f.meal = m.meal ORDER BY 1;
SELECT m.meal, f.id FROM meals AS m LEFT JOIN zoo_food AS f ON f.meal = m.meal ORDER BY 2;
SELECT id FROM zoo_food WHERE meal = (SELECT max(meal) FROM meals);
-- beside a number '5' and '05' are equal, so the API cannot be asked
SELECT f.id FROM json_each('[5]') AS j JOIN zoo_food AS f ON f.meal = j.value;
SELECT f.id FROM (SELECT CAST(5 AS INTEGER) AS n) AS j JOIN zoo_food AS f ON f.meal = CAST(j.n AS TEXT);
SELECT f.id FROM json_each('["noon"]') AS j JOIN zoo_food AS f ON f.meal = j.value ORDER BY 1;
-- beside an OR, whose arms SQLite plans without the key; arms that have their own; none that has
SELECT id FROM zoo_food WHERE meal = 'noon' AND (id = 1 OR id > 2);
SELECT m.meal, f.id FROM meals AS m JOIN zoo_food AS f ON f.meal = m.meal AND (f.id = 1 OR f.id > 2) ORDER BY 2;
SELECT id FROM zoo_food WHERE (meal = 'noon' OR meal = 'dusk') AND (id < 2 OR id > 2) ORDER BY 1;
SELECT id FROM zoo_food WHERE meal = 'noon' OR id = 3;
SELECT id FROM zoo_food WHERE meal = 'noon' COLLATE NOCASE;
SELECT json_extract(cq_explain('SELECT id FROM zoo_food WHERE meal = ''noon'' AND (id = 1 OR id > 2)'), '$[0].plan');
SELECT cq_explain('SELECT id FROM zoo_food WHERE meal = ''noon'' OR id = 3');
SELECT meal, id FROM zoo_food WHERE (meal = 'noon' AND id = 1) OR (meal = 'dusk' AND id = 3) ORDER BY 2;
SELECT m.meal, f.id FROM meals AS m JOIN zoo_food AS f ON (f.meal = m.meal AND f.id = 1) OR (f.meal = 'dusk' AND f.id = 3) ORDER BY 1, 2;
SELECT count(*) FROM cq_requests WHERE path LIKE '%food' AND status <> 200;
SELECT id FROM zoo_food LIMIT 1;
SELECT a.id FROM zoo_animals AS a JOIN zoo_food AS f ON f.id = a.id WHERE f.meal <> 'x';
SELECT count(*) FROM cq_requests WHERE path LIKE '%animals';
