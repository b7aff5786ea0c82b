-- GitHub's tables: tokens, Link pages, parents, limits, refusals.
.load @BUILD@/cq
.mode quote
SELECT cq_config('github.base_url', '@MOCK@'), cq_config('github.access_token', 't0ken');
SELECT org, id, full_name, archived FROM github_repositories WHERE org = 'acme';
-- one repository by name: its issues only
SELECT number, title, updated_at FROM github_issues WHERE repository_full_name = 'acme/one' AND state = 'open';
SELECT count(*) FROM cq_requests;
-- through the organization; archived repositories are not asked for
SELECT org, repository_id, number, state FROM github_issues WHERE org = 'acme';
-- a rate limit is waited for
SELECT name, commit_sha FROM github_tags WHERE repository_full_name = 'acme/one';
SELECT status, attempt FROM cq_requests WHERE path LIKE '%/tags';
-- a repository that is not there is told as well
SELECT number FROM github_issues WHERE repository_full_name = 'acme/none';
-- what may not be seen is told
SELECT count(*) FROM github_teams WHERE org = 'acme';
SELECT id FROM github_hooks WHERE org = 'acme';
