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
.print -- a text that goes on behind a U+0000 is no text
SELECT cq_config('timeout' || char(0));
SELECT cq_config('github.orgs', 'a' || char(0) || 'b');
SELECT cq_config('timeout', NULL), cq_config('github.orgs', x'');
SELECT cq_load('x.yml' || char(0));
SELECT cq_explain('SELECT 1' || char(0) || 'x');
SELECT cq_sync('{source: file, tables: [file_csv]}' || char(0) || 'x');
SELECT cq_sync('{source: file, tables: [file_csv]}', '{}' || char(0));
SELECT cq_prune(1, 'x' || char(0)), cq_prune(NULL, 'x');
SELECT cq_plan(NULL);
SELECT cq_prune(1, NULL);
SELECT cq_config('ca_file', printf('%.*c', 16777217, 'x'));
SELECT cq_config('github.base_url', printf('%.*c', 16777217, 'x'));
SELECT count(*) FROM cq_settings WHERE length(value) > 1000;
-- hosts that have reals alone give 5 as 5.0
SELECT cq_config('github.app_id', 12345.0), cq_config('max_connections', 8.0), cq_config('timeout', 7.0), cq_config('timeout', 7.5), cq_config('max_wait', -0.0);
SELECT cq_config('github.app_id', 9007199254740993.0), cq_config('github.app_id', '5.0'), cq_config('github.app_id', 1e300);
SELECT cq_config('max_connections', 8.5);
SELECT cq_prune(2.0), cq_prune('3');
SELECT cq_prune(1.5);
SELECT cq_prune(9.3e18);
SELECT cq_prune(x'31');
