-- `make demo`: AWS resources, queried live and synced into a database file.
-- The server is moto, an emulator of AWS, on this machine.
SELECT cq_config('aws.regions', '["us-east-1", "eu-west-1"]');

-- Live: each SELECT asks the API, for no more than it needs.
SELECT region, instance_id, instance_type, state ->> 'Name' AS state
FROM aws_ec2_instances
ORDER BY region, instance_id;

-- Lists of different services join like tables.
SELECT u.user_name, count(k.access_key_id) AS keys
FROM aws_iam_users AS u LEFT JOIN aws_iam_user_access_keys AS k USING (user_name)
GROUP BY u.user_name
ORDER BY keys DESC, u.user_name;

-- Synced: the same tables, into this file.
SELECT cq_sync('{source: aws, tables: [aws_regions, aws_ec2_instances, aws_ec2_vpcs, aws_ec2_ebs_volumes, aws_iam_users, aws_s3_buckets, aws_lambda_functions]}') ->> 'status' AS status;

-- From now on these names answer from the file; live_... still asks the API.
SELECT (SELECT count(*) FROM aws_ec2_instances) AS stored,
       (SELECT count(*) FROM live_aws_ec2_instances) AS live;
SELECT region, count(*) AS volumes, sum(size) AS gib
FROM aws_ec2_ebs_volumes
GROUP BY region;
