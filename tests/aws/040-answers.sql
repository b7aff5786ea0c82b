-- env: AWS_ENDPOINT_URL=@MOCK@
-- env: AWS_ACCESS_KEY_ID=AKIDEXAMPLE
-- env: AWS_SECRET_ACCESS_KEY=secret
-- env: AWS_EC2_METADATA_DISABLED=true
-- What AWS does and moto does not: throttling, odd pages, refusals, old answers.
.load @BUILD@/cq
.mode quote
-- regions that are not enabled are not asked
SELECT count(*) FROM aws_cloudtrail_events WHERE region = 'af-south-1';
-- throttled, then two pages; denied in the other region, which is skipped
SELECT account_id, region, cloud_trail_event, event_time, event_id, event_name, read_only, resources, username FROM aws_cloudtrail_events;
SELECT client, status, count(*) FROM cq_requests WHERE table_name = 'aws_cloudtrail_events' GROUP BY 1, 2 ORDER BY 1, 2;
-- EC2 refuses pages of less than five
SELECT arn, state_transition_reason_time, tags, ebs_optimized, block_device_mappings, launch_time FROM aws_ec2_instances WHERE region = 'us-east-1' LIMIT 1;
-- a bucket's details are asked in its own region
SELECT name, arn, region, policy_status, creation_date FROM aws_s3_buckets ORDER BY name;
-- a page may end between two records of one name
SELECT name, type, ttl, resource_records FROM aws_route53_hosted_zone_resource_record_sets;
-- refusals that mean "not here"
SELECT count(*) FROM aws_kms_keys;
-- a table whose description is denied: its tags, which need its ARN, are not asked for either
SELECT cq_config('denied', 'skip') IS NULL;
SELECT region, table_name, tags FROM aws_dynamodb_tables;
SELECT count(*) FROM cq_requests WHERE table_name = 'aws_dynamodb_tables' AND error LIKE '%validation%';
-- an account outside of an organization has no accounts of one; a policy that forbids to list them is told
SELECT count(*) FROM aws_organizations_accounts;
SELECT cq_config('denied', 'fail') IS NULL;
SELECT count(*) FROM aws_organizations_accounts;
-- units of an organization, as deep as they go; its root is none
SELECT id, name FROM aws_organizations_organizational_units;
SELECT id, parent_id, type FROM aws_organizations_organizational_unit_parents;
-- a log whose last page names itself as the next
SELECT log_stream_name, created_at, message FROM aws_lightsail_database_log_events WHERE region = 'us-east-1';
