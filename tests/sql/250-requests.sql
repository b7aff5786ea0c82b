-- env: ZOO_URL=@MOCK@
-- Requests are as few as the API allows, and the same ones are made once.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/zoo.yml');
CREATE TEMP TABLE mark(id INTEGER); INSERT INTO mark VALUES (0);
CREATE TEMP VIEW made AS SELECT count(*) AS requests FROM cq_requests WHERE id > (SELECT max(id) FROM mark);
-- a change of the configuration forgets answers
-- columns: a call for each row only where its column is read
SELECT count(*), sum(weight) FROM zoo_animals WHERE keeper = 'bob';
SELECT requests FROM made; INSERT INTO mark SELECT max(id) FROM cq_requests; SELECT cq_config('zoo.token', NULL);
SELECT id, chip FROM zoo_animals WHERE keeper = 'bob';
SELECT requests FROM made; INSERT INTO mark SELECT max(id) FROM cq_requests; SELECT cq_config('zoo.token', NULL);
-- a self join reads each list once
SELECT count(*) FROM zoo_animals AS a JOIN zoo_animals AS b ON a.id = b.id WHERE a.keeper = 'bob' AND b.keeper = 'bob';
SELECT requests FROM made; INSERT INTO mark SELECT max(id) FROM cq_requests; SELECT cq_config('zoo.token', NULL);
-- duplicates among the outer rows
SELECT count(*) FROM json_each('["bob","bob","bob"]') AS j JOIN zoo_animals AS a ON a.keeper = j.value;
SELECT requests FROM made; INSERT INTO mark SELECT max(id) FROM cq_requests; SELECT cq_config('zoo.token', NULL);
SELECT j.value, a.id FROM json_each('["bob",null,"nobody"]') AS j LEFT JOIN zoo_animals AS a ON a.keeper = j.value;
SELECT requests FROM made; INSERT INTO mark SELECT max(id) FROM cq_requests; SELECT cq_config('zoo.token', NULL);
-- a parent row that the query names is not asked for
SELECT id, guests FROM zoo_visits WHERE keeper = 'ann' AND animal = 2;
SELECT requests FROM made; INSERT INTO mark SELECT max(id) FROM cq_requests; SELECT cq_config('zoo.token', NULL);
SELECT keeper, sum(guests) FROM zoo_visits WHERE keeper = 'bob' GROUP BY 1;
SELECT requests FROM made; INSERT INTO mark SELECT max(id) FROM cq_requests; SELECT cq_config('zoo.token', NULL);
SELECT keeper, count(*) FROM zoo_visits GROUP BY 1;
SELECT requests FROM made; INSERT INTO mark SELECT max(id) FROM cq_requests; SELECT cq_config('zoo.token', NULL);
-- a view, a common table expression, a union
CREATE TEMP VIEW birds AS SELECT * FROM zoo_animals WHERE kind = 'bird';
SELECT keeper, id FROM birds WHERE keeper = 'bob';
SELECT requests FROM made; INSERT INTO mark SELECT max(id) FROM cq_requests; SELECT cq_config('zoo.token', NULL);
WITH x AS MATERIALIZED (SELECT keeper, id FROM zoo_animals WHERE keeper = 'bob') SELECT count(*) FROM x AS a, x AS b;
SELECT requests FROM made; INSERT INTO mark SELECT max(id) FROM cq_requests; SELECT cq_config('zoo.token', NULL);
SELECT id FROM zoo_animals WHERE keeper = 'bob' UNION ALL SELECT id FROM zoo_animals WHERE keeper = 'bob';
SELECT requests FROM made;
