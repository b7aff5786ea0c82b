-- needs: moto
-- env: AWS_ENDPOINT_URL=@MOTO@
-- env: AWS_ACCESS_KEY_ID=@MOTO_KEY@
-- env: AWS_SECRET_ACCESS_KEY=@MOTO_SECRET@
-- env: AWS_REGION=us-east-1
-- timeout: 120
-- Every AWS table answers against an AWS server that checks signatures.
.load @BUILD@/cq
.mode list
SELECT cq_config('aws.regions', '["us-east-1"]');
SELECT 'aws_apigateway_rest_apis', count(*) > 0 FROM aws_apigateway_rest_apis;
SELECT 'aws_cloudformation_stacks', count(*) > 0 FROM aws_cloudformation_stacks;
SELECT 'aws_cloudwatch_alarms', count(*) > 0 FROM aws_cloudwatch_alarms;
SELECT 'aws_dynamodb_tables', count(*) > 0 FROM aws_dynamodb_tables;
SELECT 'aws_regions', count(*) > 0 FROM aws_regions;
SELECT 'aws_ec2_instances', count(*) > 0 FROM aws_ec2_instances;
SELECT 'aws_ec2_images', count(*) > 0 FROM aws_ec2_images;
SELECT 'aws_ec2_ebs_volumes', count(*) > 0 FROM aws_ec2_ebs_volumes;
SELECT 'aws_ec2_ebs_snapshots', count(*) > 0 FROM aws_ec2_ebs_snapshots;
SELECT 'aws_ec2_vpcs', count(*) > 0 FROM aws_ec2_vpcs;
SELECT 'aws_ec2_subnets', count(*) > 0 FROM aws_ec2_subnets;
SELECT 'aws_ec2_security_groups', count(*) > 0 FROM aws_ec2_security_groups;
SELECT 'aws_ec2_network_interfaces', count(*) > 0 FROM aws_ec2_network_interfaces;
SELECT 'aws_ec2_route_tables', count(*) > 0 FROM aws_ec2_route_tables;
SELECT 'aws_ecs_clusters', count(*) > 0 FROM aws_ecs_clusters;
SELECT 'aws_ecs_cluster_services', count(*) > 0 FROM aws_ecs_cluster_services;
SELECT 'aws_efs_filesystems', count(*) > 0 FROM aws_efs_filesystems;
SELECT 'aws_eks_clusters', count(*) > 0 FROM aws_eks_clusters;
SELECT 'aws_elbv2_load_balancers', count(*) > 0 FROM aws_elbv2_load_balancers;
SELECT 'aws_elbv2_listeners', count(*) > 0 FROM aws_elbv2_listeners;
SELECT 'aws_iam_users', count(*) > 0 FROM aws_iam_users;
SELECT 'aws_iam_user_access_keys', count(*) > 0 FROM aws_iam_user_access_keys;
SELECT 'aws_iam_user_attached_policies', count(*) > 0 FROM aws_iam_user_attached_policies;
SELECT 'aws_iam_groups', count(*) > 0 FROM aws_iam_groups;
SELECT 'aws_iam_roles', count(*) > 0 FROM aws_iam_roles;
SELECT 'aws_iam_role_attached_policies', count(*) > 0 FROM aws_iam_role_attached_policies;
SELECT 'aws_iam_policies', count(*) > 0 FROM aws_iam_policies;
SELECT 'aws_kms_keys', count(*) > 0 FROM aws_kms_keys;
SELECT 'aws_lambda_functions', count(*) > 0 FROM aws_lambda_functions;
SELECT 'aws_cloudwatchlogs_log_groups', count(*) > 0 FROM aws_cloudwatchlogs_log_groups;
SELECT 'aws_organizations_accounts', count(*) > 0 FROM aws_organizations_accounts;
SELECT 'aws_rds_instances', count(*) > 0 FROM aws_rds_instances;
SELECT 'aws_route53_hosted_zones', count(*) > 0 FROM aws_route53_hosted_zones;
SELECT 'aws_route53_hosted_zone_resource_record_sets', count(*) > 0 FROM aws_route53_hosted_zone_resource_record_sets;
SELECT 'aws_s3_buckets', count(*) > 0 FROM aws_s3_buckets;
SELECT 'aws_s3_bucket_versionings', count(*) > 0 FROM aws_s3_bucket_versionings;
SELECT 'aws_s3_bucket_encryption_rules', count(*) > 0 FROM aws_s3_bucket_encryption_rules;
SELECT 'aws_s3_bucket_policies', count(*) > 0 FROM aws_s3_bucket_policies;
SELECT 'aws_secretsmanager_secrets', count(*) > 0 FROM aws_secretsmanager_secrets;
SELECT 'aws_sns_topics', count(*) > 0 FROM aws_sns_topics;
SELECT 'aws_sqs_queues', count(*) > 0 FROM aws_sqs_queues;
SELECT 'aws_ssm_parameters', count(*) > 0 FROM aws_ssm_parameters;
.mode quote
SELECT count(DISTINCT region) FROM aws_ec2_vpcs WHERE region = 'us-east-1';
SELECT json_valid(block_device_mappings), tags IS NULL OR json_valid(tags) FROM aws_ec2_instances LIMIT 1;
