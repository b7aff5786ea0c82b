-- `make demo`: AWS resources, queried live.
-- The server is moto, an emulator of AWS, on this machine.
SELECT cq_config('aws.regions', '["us-east-1", "eu-west-1"]') AS regions;

-- Each SELECT asks the API, for no more than it needs.
SELECT region, instance_id, instance_type, state ->> 'Name' AS state
FROM aws_ec2_instances
ORDER BY region, instance_id;

-- Lists of different services join like tables.
SELECT u.user_name, count(k.access_key_id) AS keys
FROM aws_iam_users AS u LEFT JOIN aws_iam_user_access_keys AS k ON k.user_name = u.user_name
GROUP BY u.user_name
ORDER BY keys DESC, u.user_name
LIMIT 5;

-- A copy of the answers is an ordinary table.
CREATE TABLE buckets AS SELECT name, region, tags ->> 'k' AS k FROM aws_s3_buckets;
SELECT region, count(*) AS buckets FROM buckets GROUP BY region;

-- What was asked.
SELECT host, count(*) AS requests, sum(bytes) AS bytes, max(ms) AS slowest_ms
FROM cq_requests GROUP BY host;
