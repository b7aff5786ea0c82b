-- What .load brings, and that it is silent.
.load @BUILD@/cq
.load @BUILD@/cq
.mode quote
SELECT DISTINCT name, narg FROM pragma_function_list WHERE name LIKE 'cq%' ORDER BY 1, 2;
SELECT name FROM pragma_module_list WHERE name LIKE 'cq%' ORDER BY 1;
SELECT name FROM cq_integrations;
SELECT integration, count(*) FROM cq_tables GROUP BY 1;
SELECT name, type FROM cq_columns WHERE table_name = 'github_tags';
SELECT cq_config('github.orgs', '["sqlite"]');
SELECT cq_config('github.access_token', 'not-to-be-seen');
SELECT cq_config('github.acces_token');
SELECT cq_config('cache_tll');
CREATE VIEW v AS SELECT * FROM file_csv('x');
SELECT * FROM v;
CREATE TABLE github_tags(x);
SELECT resolves_to FROM cq_tables WHERE name = 'github_tags';
.print -- lists: JSON, YAML's flow style, one text; what is broken is told when it is set
SELECT cq_config('aws.regions', '[eu-west-1, "us-*"]'), cq_config('aws.regions', 'eu-west-1'), cq_config('aws.accounts', '{role_arn: x}');
SELECT cq_config('aws.regions', '["eu-west-1"');
SELECT cq_config('github.app_auth', '[{private_key: "s3cret');
