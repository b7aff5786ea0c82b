-- Files: the tables that need no account.
.load @BUILD@/cq
.mode quote
SELECT record ->> 'name', record ->> 'born' FROM file_csv('@ROOT@/examples/data/people.csv');
SELECT record ->> 'name', typeof(record ->> 'born') FROM file_ndjson('@ROOT@/examples/data/people.ndjson');
SELECT count(*) FROM file_json('@ROOT@/examples/data/people.json');
SELECT record FROM file_csv('@ROOT@/no-such-file.csv');
SELECT record FROM file_csv;
SELECT record FROM file_json('@ROOT@/examples/data/people.csv');
-- schemes are known in any letters; others are not taken for files
SELECT count(*) FROM file_json('FILE://@ROOT@/examples/data/people.json');
SELECT record FROM file_json('s3://bucket/people.json');
SELECT record FROM file_json('./s3://bucket');
